/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The messages of protocol version 1, as structs, and their codec. docs/PROTOCOL.md is the specification.
 *
 * A frame is u32 length, u8 type, u8 flags, then TLVs; the length counts what follows it. A TLV is u8 tag (0x80:
 * critical), u24 length, value. Which TLVs a message has stands in message.c, what their values look like in tlv-value.c:
 * tables, from which encoder and decoder both work.
 */

#include "base/address.h"
#include "base/bytes.h"
#include "base/id.h"
#include "wire/frame.h"

#define PROTOCOL_VERSION_MIN 1U
#define PROTOCOL_VERSION_MAX 1U

#define NETWORK_NAME_MAX 64U            /* bytes, as all bounds of text; without the closing NUL */
#define NODE_NAME_MAX 100U
#define TOPIC_MAX 255U
#define PAYLOAD_MAX (1024U * 1024U)
#define DETAIL_MAX 200U
#define RECORD_ADDRESSES_MAX 4U
#define MESSAGE_RECORDS_MAX 64U
#define MESSAGE_ADDRESSES_MAX 8U
#define MESSAGE_RENEWALS_MAX 512U
#define MESSAGE_SUSPICIONS_MAX 64U
#define MESSAGE_RANGES_MAX 512U
#define MESSAGE_LINKS_MAX 64U
#define MESSAGE_NEIGHBOURS_MAX 8U
#define SHUFFLE_RECORDS_MAX 8U
#define SYNC_BUCKETS 256U               /* one hash each; the bucket of an id is its first byte */

typedef enum MessageType {
        MESSAGE_HELLO           = 0x01,
        MESSAGE_HELLO_OK        = 0x02,
        MESSAGE_CLOSE           = 0x03,
        MESSAGE_PING            = 0x04,
        MESSAGE_PONG            = 0x05,

        MESSAGE_REGISTER        = 0x10,
        MESSAGE_REGISTER_OK     = 0x11,
        MESSAGE_LIST            = 0x12,
        MESSAGE_LIST_OK         = 0x13,
        MESSAGE_RENEW           = 0x14,
        MESSAGE_RENEW_OK        = 0x15,
        MESSAGE_LEAVE           = 0x16,
        MESSAGE_DEAD_REPORT     = 0x17,
        MESSAGE_ACCUSED         = 0x18,
        MESSAGE_REFUTE          = 0x19,

        MESSAGE_MEMBERS         = 0x20,
        MESSAGE_SYNC_DIGEST     = 0x21,
        MESSAGE_SYNC_RECORDS    = 0x22,

        MESSAGE_NEIGHBOR        = 0x30,
        MESSAGE_ACCEPT          = 0x31,
        MESSAGE_BUSY            = 0x32,
        MESSAGE_DISCONNECT      = 0x33,
        MESSAGE_SHUFFLE         = 0x34,
        MESSAGE_SHUFFLE_REPLY   = 0x35,

        MESSAGE_PROBE_REQ       = 0x40,
        MESSAGE_PROBE_ACK       = 0x41,
        MESSAGE_PROBE_NACK      = 0x42,
        MESSAGE_LINKS           = 0x43,
        MESSAGE_LINKS_OK        = 0x44,

        MESSAGE_GOSSIP          = 0x50,
        MESSAGE_IHAVE           = 0x51,
        MESSAGE_GRAFT           = 0x52,
        MESSAGE_PRUNE           = 0x53,
        MESSAGE_MSG_RANGES      = 0x54,
        MESSAGE_MSG_WANT        = 0x55,
} MessageType;

typedef enum Role {
        ROLE_PEER = 1,
        ROLE_SEED = 2,
} Role;

/* On the wire. Ordered by precedence at equal (epoch, incarnation). Suspect counts as alive in digests. */
typedef enum MemberState {
        MEMBER_ALIVE = 0,
        MEMBER_SUSPECT = 1,     /* missed its probes, may still refute */
        MEMBER_LEFT = 2,
        MEMBER_DEAD = 3,
        _MEMBER_STATE_MAX,
        _MEMBER_STATE_INVALID = -22,    /* -EINVAL */
} MemberState;

typedef enum Purpose {
        PURPOSE_SESSION = 0,
        PURPOSE_PROBE = 1,      /* "are you there, and who are you?": answered, and nothing else happens */
} Purpose;

typedef enum Priority {
        PRIORITY_LOW = 0,
        PRIORITY_HIGH = 1,      /* the caller has no link at all */
        PRIORITY_MERGE = 2,     /* the caller heard of us from a seed, and did not know us */
} Priority;

typedef enum CloseReason {
        CLOSE_DONE = 1,         /* this session has served its purpose */
        CLOSE_LEAVING = 2,      /* the node stops in order */
        CLOSE_NETWORK = 3,      /* another network name */
        CLOSE_VERSION = 4,      /* no common protocol version */
        CLOSE_PROTOCOL = 5,     /* malformed or misplaced message */
        CLOSE_BUSY = 6,         /* too many connections */
        CLOSE_DUPLICATE_ID = 7, /* another living node has the caller's id */
        CLOSE_SUPERSEDED = 8,   /* a newer session with the same node replaces this one */
        CLOSE_SELF = 9,         /* the caller has reached itself */
        CLOSE_SLOW = 10,        /* the other end does not read */
        CLOSE_IDLE = 11,        /* a session that nobody used */
        CLOSE_TIMEOUT = 12,     /* handshake not finished, or liveness requests not answered */
        CLOSE_NOT_ALLOWED = 13, /* the other end may not ask this of us */
        _CLOSE_REASON_MAX,
} CloseReason;

/* What a node holds of another, without its name and addresses. */
typedef struct Held {
        uint64_t epoch;
        uint32_t incarnation;
        MemberState state;
} Held;

/* One entry of a member list. */
typedef struct Record {
        NodeId id;
        uint64_t epoch;
        uint32_t incarnation;
        MemberState state;
        Role role;
        uint32_t age_msec;      /* since the last renewal; for dead and left: since then */
        char name[NODE_NAME_MAX + 1];
        size_t n_addresses;
        Address addresses[RECORD_ADDRESSES_MAX];
} Record;

typedef struct Renewal {
        NodeId id;
        uint64_t epoch;
        uint32_t age_msec;      /* since the renewal */
} Renewal;

/* Somebody does not hear from somebody else, and says so to everybody. */
typedef struct Suspicion {
        NodeId id;              /* of the accused, */
        uint64_t epoch;
        uint32_t incarnation;   /* as the accuser holds it */
        NodeId accuser;
        uint8_t n_others;       /* that could accuse it, too: K of Lifeguard */
} Suspicion;

/* Somebody linked to the sender, and where to find it. */
typedef struct Neighbour {
        NodeId id;
        Address address;
} Neighbour;

/* Messages of one publisher in one epoch. */
typedef struct Range {
        NodeId origin;
        uint64_t epoch;
        uint64_t first, last;   /* sequences, both included; 1 <= first <= last */
} Range;

typedef struct LinkInfo {
        NodeId id;              /* of the other end */
        uint8_t flags;          /* LINK_... */
        uint32_t rtt_usec;      /* 0: unknown */
} LinkInfo;

#define LINK_OUTGOING 0x01U     /* the sender dialled it */
#define LINK_EAGER 0x02U        /* the sender forwards messages on it at once, else it announces them */

typedef struct HelloMessage {
        char network[NETWORK_NAME_MAX + 1];
        uint16_t version_min, version_max;
        NodeId id;
        uint64_t epoch;
        Role role;
        Purpose purpose;
        char name[NODE_NAME_MAX + 1];
        uint16_t port;                  /* where the caller listens */
        size_t n_addresses;             /* advertised; none: the observed address with @port */
        Address addresses[RECORD_ADDRESSES_MAX];
        uint64_t features;
} HelloMessage;

typedef struct HelloOkMessage {
        uint16_t version;
        NodeId id;
        uint64_t epoch;
        Role role;
        char name[NODE_NAME_MAX + 1];
        uint16_t port;
        size_t n_addresses;
        Address addresses[RECORD_ADDRESSES_MAX];
        uint64_t features;
        Address observed;               /* where the callee sees the caller; not set when unknown */
        bool has_held;
        Held held;                      /* what the callee holds of the caller */
} HelloOkMessage;

typedef struct CloseMessage {
        CloseReason reason;
        uint32_t retry_after_msec;      /* 0: no advice */
        char detail[DETAIL_MAX + 1];    /* a sentence for the other end's administrator, or "" */
} CloseMessage;

typedef struct PingMessage {            /* PING and PONG */
        uint64_t nonce;
        uint16_t n_links;               /* of the sender; 0 from a seed */
        size_t n_neighbours;            /* PONG: a few that the sender is linked to, who can say later whether it lives */
        Neighbour neighbours[MESSAGE_NEIGHBOURS_MAX];
} PingMessage;

typedef struct RegisterMessage {        /* REGISTER and REFUTE: the sender's own record; REFUTE has no @n_links */
        Record record;
        uint16_t n_links;
} RegisterMessage;

typedef struct RegisterOkMessage {
        uint32_t lease_msec;
        uint32_t total;                 /* live records at the seed */
        bool has_held;
        Held held;                      /* what was held of the caller before */
} RegisterOkMessage;

typedef struct ListMessage {
        uint16_t count;                 /* wanted, 1 to 64 */
        bool has_after;                 /* page through the whole list in the order of ids, */
        NodeId after;                   /* beginning behind this one (all zeros: from the start) */
} ListMessage;

typedef struct ListOkMessage {
        uint32_t total;
        size_t n_records;
        Record records[MESSAGE_RECORDS_MAX];
} ListOkMessage;

typedef struct RenewMessage {
        uint64_t epoch;
        uint32_t incarnation;
        uint16_t n_links;
} RenewMessage;

typedef struct RenewOkMessage {
        uint32_t lease_msec;
        uint32_t total;
        bool has_held;                  /* not: the seed does not know the caller, which registers again */
        Held held;
        size_t n_records;               /* a few random live ones */
        Record records[MESSAGE_RECORDS_MAX];
} RenewOkMessage;

typedef struct LeaveMessage {
        uint64_t epoch;
        uint32_t incarnation;
} LeaveMessage;

typedef struct DeadReportMessage {
        NodeId id;                      /* of the accused */
        uint64_t epoch;
        uint32_t incarnation;           /* what the reporter holds of it */
} DeadReportMessage;

typedef struct AccusedMessage {         /* what the sender holds of the receiver */
        Held held;
} AccusedMessage;

typedef struct SyncDigestMessage {
        Slice hashes;                   /* SYNC_BUCKETS big-endian u64, PROTOCOL.md says of what */
} SyncDigestMessage;

typedef struct SyncRecordsMessage {
        size_t n_records;
        Record records[MESSAGE_RECORDS_MAX];
        size_t n_renewals;
        Renewal renewals[MESSAGE_RENEWALS_MAX];
        bool has_want;
        uint8_t want[SYNC_BUCKETS / 8]; /* buckets the sender asks the receiver's records of; bit 0x80 >> (b % 8) of byte b / 8 */
} SyncRecordsMessage;

typedef struct MembersMessage {
        size_t n_records;               /* that are news to the sender */
        Record records[MESSAGE_RECORDS_MAX];
        size_t n_suspicions;
        Suspicion suspicions[MESSAGE_SUSPICIONS_MAX];
} MembersMessage;

typedef struct NeighborMessage {
        Priority priority;
        uint16_t n_links;
} NeighborMessage;

typedef struct AcceptMessage {
        uint16_t n_links;
} AcceptMessage;

typedef struct BusyMessage {
        size_t n_addresses;             /* others to try */
        Address addresses[MESSAGE_ADDRESSES_MAX];
} BusyMessage;

typedef struct DisconnectMessage {
        CloseReason reason;
} DisconnectMessage;

typedef struct ShuffleMessage {         /* SHUFFLE and SHUFFLE_REPLY */
        uint32_t ttl;                   /* SHUFFLE: how many more links it may cross; at most 255 */
        size_t n_records;               /* SHUFFLE: the first is the one that began it */
        Record records[SHUFFLE_RECORDS_MAX];
} ShuffleMessage;

typedef struct ProbeMessage {           /* PROBE_REQ, PROBE_ACK, PROBE_NACK; only the first says whom to ask */
        uint64_t nonce;
        NodeId id;
        size_t n_addresses;
        Address addresses[RECORD_ADDRESSES_MAX];
} ProbeMessage;

typedef struct LinksMessage {           /* LINKS and LINKS_OK; only the second has links */
        uint64_t nonce;
        size_t n_links;
        LinkInfo links[MESSAGE_LINKS_MAX];
} LinksMessage;

typedef struct RangesMessage {          /* IHAVE, GRAFT, MSG_RANGES, MSG_WANT */
        size_t n_ranges;
        Range ranges[MESSAGE_RANGES_MAX];
} RangesMessage;

typedef struct MessageId {
        NodeId origin;
        uint64_t epoch;
        uint64_t sequence;              /* from 1 */
} MessageId;

typedef struct Previous {
        uint64_t epoch;
        uint64_t sequence;              /* from 1 */
} Previous;

typedef struct GossipMessage {
        MessageId id;
        uint32_t age_msec;              /* summed by its holders */
        uint8_t n_hops;                 /* links crossed so far: 1 at the publisher's neighbours */
        Slice topic;                    /* 1 to TOPIC_MAX bytes of printable ASCII */
        Slice payload;                  /* 0 to PAYLOAD_MAX bytes */
        bool has_previous;              /* the first of an epoch says */
        Previous previous;              /* which was the last of the epoch before */
        Slice body;                     /* when decoded: all its TLVs, see gossip_copy() */
} GossipMessage;

typedef struct Message {
        MessageType type;
        union {
                HelloMessage hello;
                HelloOkMessage hello_ok;
                CloseMessage close;
                PingMessage ping;               /* PING, PONG */
                RegisterMessage reg;            /* REGISTER, REFUTE */
                RegisterOkMessage register_ok;
                ListMessage list;
                ListOkMessage list_ok;
                RenewMessage renew;
                RenewOkMessage renew_ok;
                LeaveMessage leave;
                DeadReportMessage dead_report;
                AccusedMessage accused;
                SyncDigestMessage sync_digest;
                SyncRecordsMessage sync_records;
                MembersMessage members;
                NeighborMessage neighbor;
                AcceptMessage accept;
                BusyMessage busy;
                DisconnectMessage disconnect;
                ShuffleMessage shuffle;         /* SHUFFLE, SHUFFLE_REPLY */
                ProbeMessage probe;             /* PROBE_REQ, PROBE_ACK, PROBE_NACK */
                LinksMessage links;             /* LINKS, LINKS_OK */
                RangesMessage ranges;           /* IHAVE, GRAFT, MSG_RANGES, MSG_WANT */
                GossipMessage gossip;
        };
} Message;

/*
 * Fills in a message: message_set(&message, MESSAGE_PING, ping, .nonce = 1). An initializer would do the same, and
 * clear the whole union with it: 35 KiB for every PING, as the largest list of records has its place there.
 */
#define message_set(message, message_type, arm, ...)                               \
        ((message)->type = (message_type),                                          \
         (message)->arm = (__typeof__((message)->arm)) { __VA_ARGS__ })

/* "HELLO", "GOSSIP"; NULL for a type without a name. */
const char *message_type_to_string(unsigned type);
/* "network", "duplicate-id"; NULL for an unknown reason. */
const char *close_reason_to_string(unsigned reason);
/* "alive", "suspect", "left", "dead"; NULL when out of range. */
const char *member_state_to_string(MemberState state);
/* "peer", "seed"; NULL when out of range. */
const char *role_to_string(Role role);

/**
 * message_decode() - turn one whole frame into a message
 * @ret:        written on success only; its slices borrow from the frame. Only the arm of the union that belongs to
 *              the type, and of its arrays only the counted part, is written: a Message need not be cleared before.
 * @frame:      from frame_decode()
 *
 * Every TLV that the table requires is there once and within its bounds, every enum is in range (but for reasons,
 * which a later version may have more of: 1 to 255), every text is valid UTF-8 without control characters and NUL,
 * every topic printable ASCII.
 *
 * Return: 1, or 0 when the type is unknown to this version (to be counted and skipped), -EBADMSG when the content is
 * malformed (a required TLV missing, one twice that may come once, a bad length or value, an unknown critical TLV).
 */
int message_decode(Message *ret, const Frame *frame);

/**
 * message_encode() - turn a message into a frame, ready to be sent to any number of links
 * @ret:        a new buffer with one reference, the caller's
 * @message:    valid: what breaks a bound of message_decode() is a mistake of ours (assert)
 *
 * Return: 0, -ENOMEM.
 */
int message_encode(FrameBuffer **ret, const Message *message);

/**
 * gossip_copy() - the frame of a received GOSSIP as it goes on
 * @ret:        a new buffer with one reference, the caller's
 * @gossip:     as message_decode() wrote it; then @ret holds its slices, too, and the age and hops are the new ones
 *
 * The bytes are copied as they are, but for age and hops: TLVs that this version does not know travel on.
 *
 * Return: 0, -ENOMEM.
 */
int gossip_copy(FrameBuffer **ret, GossipMessage *gossip, uint32_t age_msec, uint8_t n_hops);

/* The size in bytes that message_encode() would make of it, the length field included. */
size_t message_encoded_size(const Message *message);

/* One record as TLVs without a frame, as inside LIST_OK: the seed's snapshot on disk uses it. record_encode()
 * writes at most RECORD_SIZE_MAX bytes and returns how many; record_decode() returns 0 or -EBADMSG. */
#define RECORD_SIZE_MAX 512U
size_t record_encode(const Record *record, uint8_t buffer[static RECORD_SIZE_MAX]);
int record_decode(Record *ret, Slice data);
