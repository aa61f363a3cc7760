/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What must hold at all times. The cheap rules are looked at after each event of a node; a strict simulation also knows what every
 * node ever said of itself, follows who was harmed when, and once a second compares both ends of each link.
 */

#include "core/node-internal.h"
#include "core/peer-node-internal.h"
#include "sim-internal.h"

#define AGREE_USEC (15 * USEC_PER_SEC)          /* two ends that are both there have settled on link or no link by then */
#define NOTICE_LOSS_USEC (60 * USEC_PER_SEC)    /* an end has noticed by then that the other one is gone */
#define PEACE_USEC (2 * USEC_PER_MINUTE)        /* after that no harm is an excuse any more */
#define QUEUE_FACTOR 16U                        /* of queue_max: what one link may hold */

void sim_set_strict(Sim *sim) {
        sim->strict = true;
        sim->check_usec = sim->now_usec;
}

/* ---- who said what of itself ---- */

static Owner *owner_find(const Sim *sim, const NodeId *id) {
        Owner *owner;

        HASH_FIND(hh, sim->owners, id, sizeof(*id), owner);
        return owner;
}

bool check_is_cloned(const Sim *sim, const NodeId *id) {
        const Owner *owner = owner_find(sim, id);

        return owner && owner->cloned;
}

static bool owner_reached(const Owner *owner, uint64_t epoch, uint32_t incarnation) {
        return owner->epoch > epoch || (owner->epoch == epoch && owner->incarnation >= incarnation);
}

static void owner_note(Sim *sim, unsigned i) {
        const Node *node = sim->nodes[i].node;
        const NodeIdentity *identity = node_identity(node);
        Owner *owner = owner_find(sim, &identity->id);

        if (!owner) {
                owner = must(calloc(1, sizeof(*owner)));
                owner->id = identity->id;
                owner->node = i;
                HASH_ADD(hh, sim->owners, id, sizeof(owner->id), owner);
        }
        owner->cloned = owner->cloned || owner->node != i;
        if (!owner_reached(owner, identity->epoch, node_incarnation(node))) {
                owner->epoch = identity->epoch;
                owner->incarnation = node_incarnation(node);
        }
}

void check_free(Sim *sim) {
        Owner *owner, *next;

        HASH_ITER(hh, sim->owners, owner, next) {
                HASH_DELETE(hh, sim->owners, owner);
                free(owner);
        }
}

static void check_claim(Sim *sim, unsigned i, const NodeId *id, uint64_t epoch, uint32_t incarnation) {
        const Owner *owner = owner_find(sim, id);

        if (!owner)
                sim_fail(sim, "node %u is told of %s, which nobody ever was", i, NODE_ID_TEXT(id));
        if (!owner_reached(owner, epoch, incarnation))
                sim_fail(sim, "node %u is told of node %u at %ju/%u, which itself never was beyond %ju/%u", i, owner->node,
                         (uintmax_t) epoch, incarnation, (uintmax_t) owner->epoch, owner->incarnation);
}

static void check_records(Sim *sim, unsigned i, const Record *records, size_t n) {
        for (size_t j = 0; j < n; j++)
                check_claim(sim, i, &records[j].id, records[j].epoch, records[j].incarnation);
}

void check_message(Sim *sim, unsigned i, const Message *message) {
        if (!sim->strict || sim->has_lied)
                return;

        switch ((unsigned) message->type) {
        case MESSAGE_REGISTER:
        case MESSAGE_REFUTE:
                check_records(sim, i, &message->reg.record, 1);
                break;
        case MESSAGE_LIST_OK:
                check_records(sim, i, message->list_ok.records, message->list_ok.n_records);
                break;
        case MESSAGE_RENEW_OK:
                check_records(sim, i, message->renew_ok.records, message->renew_ok.n_records);
                break;
        case MESSAGE_SYNC_RECORDS:
                check_records(sim, i, message->sync_records.records, message->sync_records.n_records);
                for (size_t j = 0; j < message->sync_records.n_renewals; j++)
                        check_claim(sim, i, &message->sync_records.renewals[j].id, message->sync_records.renewals[j].epoch, 0);
                break;
        case MESSAGE_MEMBERS:
                check_records(sim, i, message->members.records, message->members.n_records);
                for (size_t j = 0; j < message->members.n_suspicions; j++)
                        check_claim(sim, i, &message->members.suspicions[j].id, message->members.suspicions[j].epoch,
                                    message->members.suspicions[j].incarnation);
                break;
        case MESSAGE_SHUFFLE:
        case MESSAGE_SHUFFLE_REPLY:
                check_records(sim, i, message->shuffle.records, message->shuffle.n_records);
                break;
        default:
                break;
        }
}

/* ---- verdicts ---- */

static bool is_well(const Sim *sim, unsigned i) {
        const SimNode *node = sim->nodes + i;

        return node->node && !node->frozen && node->slow == 0 && !sim_alters(sim, i) && sim->now_usec - node->harmed_usec > PEACE_USEC;
}

/* Nobody who is well takes another one for dead that is well, and has been long enough for all doubts to be settled. */
void check_notice(Sim *sim, unsigned i, const Notice *notice) {
        const Owner *owner;
        MemberInfo info;

        if (!sim->strict || (notice->type != NOTICE_DEAD && notice->type != NOTICE_REPORTED_DEAD))
                return;
        owner = owner_find(sim, &notice->id);
        if (!owner || owner->cloned || sim->blocked || sim->loss > 0 || sim->now_usec - sim->harmed_usec <= PEACE_USEC ||
            !is_well(sim, i) || !is_well(sim, owner->node) || !sim_reaches(sim, i, owner->node) ||
            !node_id_equal(sim_id(sim, owner->node), &notice->id))
                return;
        if (!node_member(sim->nodes[i].node, &notice->id, &info) || info.record->epoch < owner->epoch)
                return;
        sim_fail(sim, "node %u holds node %u dead, which is well, and nothing happened to either for a while", i, owner->node);
}

/* ---- links ---- */

/* Whether both ends had every opportunity to know how the other one sees it. */
static bool ends_can_tell(const Sim *sim, const Connection *connection) {
        for (unsigned side = 0; side < 2; side++) {
                const End *end = connection->ends + side;
                const SimNode *node = sim->nodes + end->node;

                if (node->frozen || node->slow > 0 || sim_alters(sim, end->node) || (end->flow && end->flow->n_stalled > 0) ||
                    !sim_reaches(sim, end->node, connection->ends[!side].node))
                        return false;
        }
        return true;
}

void check_links(Sim *sim) {
        if (!sim->strict || sim->now_usec < sim->check_usec)
                return;
        sim->check_usec = sim->now_usec + USEC_PER_SEC;

        for (unsigned i = 0; i < sim->n_nodes; i++)
                if (sim_is_running_peer(sim, i))
                        check_store(sim, i);
        for (Connection *connection = sim->connections; connection; connection = connection->next) {
                const End *ends = connection->ends;
                bool up[2] = { end_is_link(sim, ends), end_is_link(sim, ends + 1) };

                if (up[0] == up[1] || !ends_can_tell(sim, connection))
                        connection->agreed_usec = sim->now_usec;
                else if (sim->now_usec - connection->agreed_usec >
                         (ends[0].open && ends[1].open ? AGREE_USEC : NOTICE_LOSS_USEC))
                        sim_fail(sim, "nodes %u and %u do not agree whether they are linked: %s", ends[0].node, ends[1].node,
                                 up[0] ? "the first thinks so" : "the second thinks so");
        }
}

/* ---- after each event ---- */

static void check_sessions(Sim *sim, unsigned i) {
        const Node *node = sim->nodes[i].node;
        const Params *params = &node->settings.params;

        for (const Session *session = node->sessions; session; session = session->next) {
                if (session->link_state == LINK_UP && node_id_equal(&session->id, &node->identity.id))
                        sim_fail(sim, "node %u is linked to itself", i);
                if (session->n_queued > QUEUE_FACTOR * params->queue_max + FRAME_SIZE_MAX)
                        sim_fail(sim, "node %u holds %zu bytes for one link", i, session->n_queued);
        }
        if (node_n_members(node) > params->members_max)
                sim_fail(sim, "node %u holds %zu members", i, node_n_members(node));
}

void sim_check(Sim *sim, unsigned i) {
        SimNode *node = sim->nodes + i;
        const Params *params = node->params;
        unsigned n_links, n_out;

        if (!node->node)
                return;
        if (sim->strict)
                owner_note(sim, i);
        if (node->role != ROLE_PEER)
                return;
        if (sim->strict) {
                check_sessions(sim, i);
                check_bounds(sim, i);
        }

        n_links = peer_n_links(node->node);
        n_out = peer_n_links_out(node->node);
        if (params->links_shared ? n_links > params->links_outgoing + 1 + params->links_outgoing :
                                   n_links - n_out > params->links_inbound + 1)
                sim_fail(sim, "node %u has %u links, %u of them outgoing", i, n_links, n_out);
        if (node_n_members(node->node) != node->n_members || sim->now_usec >= node->looked_usec + USEC_PER_SEC) {
                node->n_members = node_n_members(node->node);
                node->looked_usec = sim->now_usec;
                if (node_member(node->node, &node_identity(node->node)->id, &(MemberInfo) {}))
                        sim_fail(sim, "node %u holds itself as a member", i);
        }
        if (node_n_sessions(node->node) > params->connections_max + 1)
                sim_fail(sim, "node %u has %zu sessions", i, node_n_sessions(node->node));
}
