# SPDX-License-Identifier: LGPL-2.1-or-later
"""The eight steps. Each does something, waits until the nodes themselves say what is expected, and shows it."""

import json
import os
import time

from network import Monitor
from overlay import draw, is_connected, links_of
from terminal import INDENT, Failure, count, say, say_command, say_indented, say_wrapped, seconds, table

LINKS_WANTED = 4                # the default of links.outgoing


def alive(entries):
    return {entry["name"] for entry in entries["peers"] if entry["state"] == "alive"}


class Story:
    def __init__(self, network, seed_ports, peer_ports):
        self.network = network
        self.seeds = [f"seed@{port}" for port in seed_ports]            # those that run
        self.peers = [f"peer@{port}" for port in peer_ports]
        self.n_seeds = len(seed_ports)
        self.names = {}                 # of peers, by instance
        self.ids = {}
        self.victim = self.peers[min(2, len(peer_ports) - 1)]
        self.n_rounds = 0
        self.n_done = 0
        self.steps = [
            ("Seeds start. They keep the list of peers, and share it with each other.", self.seeds_start),
            ("Peers start. Each is told where the seeds are, and registers with a majority of them.", self.peers_start),
            ("The peers find each other, and link.", self.peers_find_each_other),
            ("Gossip: what one peer publishes reaches every peer, once.", self.gossip_reaches_everybody),
            ("A peer is killed. It cannot say goodbye; the others have to notice.", self.a_peer_is_killed),
            ("A seed is killed. The network does not need it; its peers register with another.", self.a_seed_is_killed),
            ("The peer comes back, and is the same node as before.", self.the_peer_comes_back),
            ("Everything stops, in order, and nothing is left.", self.everything_stops),
        ]

    def tell(self, n_steps):
        """The first n steps; n_done counts those that were as expected. A Failure ends it early."""
        for title, step in self.steps[:n_steps]:
            say()
            say_wrapped(f"{self.n_done + 1}  {title}", color="bold")
            self.began = time.monotonic()
            result = step()
            say_wrapped(f"ok: {result}", indent=INDENT, color="green")
            self.n_done += 1

    # ---- what the nodes say ----

    def peer_facts(self, *arguments):
        """What each running peer answers; empty when not all have answered."""
        facts = self.network.facts(*arguments)
        return {peer: facts[peer] for peer in self.peers} if all(peer in facts for peer in self.peers) else {}

    def seed_facts(self, *arguments):
        facts = self.network.facts(*arguments)
        return {seed: facts[seed] for seed in self.seeds} if all(seed in facts for seed in self.seeds) else {}

    def ask(self, *arguments):
        return self.network.wait_for("all peers answer", lambda: self.peer_facts(*arguments))

    def wait_since(self, what, condition):
        """Return: the seconds since the step began."""
        self.network.wait_for(what, condition)
        return time.monotonic() - self.began

    def n_wanted(self):
        """How many registrations a peer can have: of a majority of the seeds, or of those that are left."""
        return min(self.n_seeds // 2 + 1, len(self.seeds))

    def all_registered(self):
        facts = self.peer_facts("seeds")
        return facts and all(value["summary"]["registered"] == self.n_wanted() for value in facts.values())

    def all_know_all(self):
        everybody = {self.names[peer] for peer in self.peers}
        facts = self.peer_facts("peers")
        return facts and all(alive(value) == everybody - {self.names[peer]} for peer, value in facts.items())

    def all_listed(self):
        everybody = {self.names[peer] for peer in self.peers}
        facts = self.network.facts("peers")
        return all(seed in facts and alive(facts[seed]) == everybody for seed in self.seeds)

    def links(self):
        """{peer: {linked peer: direction}}; empty when not all have answered."""
        facts = self.peer_facts("--links", "peers")
        return links_of(facts, {name: peer for peer, name in self.names.items()})

    def well_linked(self):
        wanted = min(LINKS_WANTED, len(self.peers) - 1)
        links = self.links()
        return links if links and is_connected(links) and all(len(of) >= wanted for of in links.values()) else None

    # ---- the steps; each returns what was as expected ----

    def seeds_start(self):
        network, others = self.network, self.n_seeds - 1

        network.start_bus()
        network.start_daemons(self.seeds)
        took = self.wait_since("the seeds are linked with each other", lambda: (
            facts := self.seed_facts("seeds")) and all(
                sum(seed["state"] == "linked" for seed in value["seeds"]) == others for value in facts.values()))
        network.show("-i", self.seeds[0], "seeds")
        return f"{self.n_seeds} seeds run, each linked with {'the other' if others == 1 else f'the {others} others'}, " \
               f"after {seconds(took)}."

    def peers_start(self):
        network = self.network

        network.start_daemons(self.peers)
        took = self.wait_since("each peer is registered", self.all_registered)
        for peer, facts in self.ask("show").items():
            self.names[peer], self.ids[peer] = facts["name"], facts["nodeId"]
        network.show("-q", "-i", self.peers[0], "seeds")
        return f"{len(self.peers)} peers run, each registered with {self.n_wanted()} of {self.n_seeds} seeds, " \
               f"after {seconds(took)}."

    def peers_find_each_other(self):
        network, others = self.network, len(self.peers) - 1

        took = self.wait_since(f"each peer knows the {others} others", self.all_know_all)
        links = network.wait_for("all peers are linked", self.well_linked)
        network.wait_for("each seed lists all peers", self.all_listed)
        network.show("-q", "-i", self.peers[0], "peers")
        say_indented("\n" + draw(links))
        say()
        n_links = sum(len(of) for of in links.values()) // 2
        return f"each peer knows the {others} others after {seconds(took)}; {n_links} links join them all; " \
               f"all {self.n_seeds} seeds list all {len(self.peers)}."

    def gossip_reaches_everybody(self):
        first, last = self.peers[0], self.peers[-1]
        got = self.publish({first: "good morning", last: "hello there"})
        rows = [["", f"from {first}", f"from {last}"]]
        for peer, messages in got.items():
            rows.append([peer, self.how(messages.get(first)), self.how(messages.get(last))])
        say_indented("\nWho got what:\n" + table(rows))
        say()
        self.network.show("-q", "-i", self.peers[1], "status")
        return f"both messages reached all {len(self.peers)} peers, each exactly once."

    def a_peer_is_killed(self):
        network, victim, seed = self.network, self.victim, self.seeds[0]
        name = self.names[victim]
        monitor = Monitor(network)

        self.peers.remove(victim)
        self.began = time.monotonic()
        network.kill(victim)
        network.wait_for("the seeds drop the dead one from their lists", self.all_listed)
        network.wait_for("every peer has heard that it is dead", lambda: self.all_hold(name, "dead"))
        network.wait_for("the monitor has said so, too", lambda: len(self.noticed(monitor, "dead")) ==
                         len(self.peers) + len(self.seeds))
        monitor.stop()

        times = {event: self.noticed(monitor, event) for event in ("unlinked", "suspect", "dead")}
        rows = [["", "lost the link after", "suspected it after", "knew it dead after"]]
        for instance in self.peers + self.seeds:
            rows.append([instance] + [seconds(times[event][instance]) if instance in times[event] else "-"
                                      for event in times])
        say_indented("\nWho noticed, and when:\n" + table(rows))
        say()
        self.show_log(seed, f"{name} is dead")
        network.show("-q", "-i", seed, "peers")
        first = min(min(of.values()) for of in times.values() if of)
        listed = max(times["dead"][seed] for seed in self.seeds)
        return f"first noticed after {seconds(first)}, off the list of every seed after {seconds(listed)}, " \
               f"known to all after {seconds(max(times['dead'].values()))}."

    def a_seed_is_killed(self):
        network, first = self.network, self.peers[0]
        seed = self.seed_of(first)

        self.seeds.remove(seed)
        network.kill(seed)
        self.publish({first: "still here"})
        if any(facts["state"] != "online" for facts in self.ask("status").values()):
            raise Failure("Not every peer is online any more.")
        network.wait_for("every peer knows all others", self.all_know_all)
        network.wait_for("each peer is registered with the seeds that are left", self.all_registered)
        network.show("-q", "-i", first, "seeds")
        return f"the message reached all {len(self.peers)} peers; each is online, knows all others, and is registered with " \
               f"{self.n_wanted()} of the {count(len(self.seeds), 'seed')} left."

    def the_peer_comes_back(self):
        network, victim = self.network, self.victim
        name = self.names[victim]

        network.start_daemons([victim])
        self.peers = sorted(self.peers + [victim], key=lambda peer: int(peer.split("@")[1]))
        took = self.wait_since("all know it", self.all_know_all)
        links = network.wait_for("it is linked", self.well_linked)
        network.wait_for("each seed lists it", self.all_listed)
        network.show("-q", "-i", min(links[victim]), "show", name)
        self.publish({victim: "back again"})
        if self.ask("show")[victim]["nodeId"] != self.ids[victim]:
            raise Failure(f"It has another node id than before, which was {self.ids[victim]}.")
        return f"same node id; known to all after {seconds(took)}, with {count(len(links[victim]), 'link')}; " \
               f"its message reached all {len(self.peers)}."

    def everything_stops(self):
        network, leaver, witness = self.network, self.peers[-1], self.peers[0]
        name, n = self.names[leaver], len(self.peers) + len(self.seeds)
        statuses = {}

        say_indented("One that stops in order says so, and nobody takes it for dead:")
        say_command(f"kill {network.daemons[leaver].pid}", leaver)
        statuses[leaver] = network.stop(leaver)
        self.peers.remove(leaver)
        network.wait_for(f"all know that {leaver} has left", lambda: self.all_hold(name, "left"))
        network.show("-q", "-i", witness, "peers", "--all", name)

        rest = self.peers + self.seeds
        say_indented("Then all others:")
        say_command("kill " + " ".join(str(network.daemons[instance].pid) for instance in rest))
        for instance in rest:
            statuses[instance] = network.stop(instance)
        for instance, status in statuses.items():
            if status != 0:
                raise Failure(f"{instance} has ended with status {status}.", log=network.log_path(instance))
        network.clean_up()
        left = network.leftovers()
        if left:
            raise Failure(f"Left over: {', '.join(left)}.")
        return f"all {n} ended with status 0; no process, port, socket or file is left."

    # ---- parts of steps ----

    def seed_of(self, peer):
        """A seed that the peer is registered with."""
        ports = {seed["seed"].rsplit(":", 1)[1] for seed in self.ask("seeds")[peer]["seeds"]
                 if seed["state"] == "registered"}
        return next(seed for seed in self.seeds if seed.split("@")[1] in ports)

    def publish(self, payloads):
        """Publishes a text at each of some peers, and waits until all have got all.

        Return: {peer: {publisher: message as p2pctl subscribe told}}"""
        network, n = self.network, len(payloads)
        self.n_rounds += 1
        topic = f"/demo/{self.n_rounds}"
        publishers = {self.ids[peer]: peer for peer in payloads}
        subscribers = {}

        def subscribed(n_each):
            facts = self.peer_facts("statistics")
            return facts and all(value["statistics"]["Subscriptions"] == n_each for value in facts.values())

        network.wait_for("the subscriptions of before have ended", lambda: subscribed(0))
        for peer in self.peers:
            path = os.path.join(network.directory, "heard-" + peer)
            with open(path, "w", encoding="utf-8") as file:
                subscribers[peer] = network.start_ctl("-i", peer, "--json=short", "subscribe", f"--count={n}", topic,
                                                      stdout=file), path
        network.wait_for("every peer is subscribed", lambda: subscribed(1))
        for peer, text in payloads.items():
            network.show("-i", peer, "publish", topic, text)

        got = {}
        for peer, (process, path) in subscribers.items():
            network.wait_for(f"{peer} gets {count(n, 'message')}", lambda p=process: p.poll() is not None)
            with open(path, encoding="utf-8") as file:
                messages = [json.loads(line) for line in file]
            got[peer] = {publishers[message["origin"]]: message for message in messages}
            if {publisher: message["payload"] for publisher, message in got[peer].items()} != payloads:
                raise Failure(f"{peer} got {[message['payload'] for message in messages]}, not each text once.")
        return got

    def how(self, message):
        if message["hops"] == 0:
            return "published here"
        return f"after {count(message['hops'], 'hop')}"

    def all_hold(self, name, state):
        facts = self.peer_facts("peers", "--all", name)
        return facts and all([entry["state"] for entry in value["peers"]] == [state] for value in facts.values())

    def noticed(self, monitor, event):
        """When each node first said that of the victim, in seconds since the step began."""
        times = {}
        for when, fact in list(monitor.events):
            if fact["event"] == event and fact.get("id") == self.ids[self.victim]:
                times.setdefault(fact["instance"], when - self.began)
        return times

    def show_log(self, instance, text):
        with open(self.network.log_path(instance), encoding="utf-8") as file:
            lines = [line for line in file if text in line]
        if lines:
            say_wrapped(f"The log of {instance} says: {lines[-1].split(': ', 1)[1].strip()}", indent=INDENT)
