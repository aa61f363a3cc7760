/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "wire/tlv-value.h"

#include "base/text.h"
#include "wire/message.h"

typedef enum TlvKind {
        TLV_UNKNOWN,            /* a tag that is not in the table */
        TLV_ENUM,               /* u8 on the wire, an enum or a uint32_t in the struct */
        TLV_U16,
        TLV_U32,
        TLV_U64,
        TLV_ID,
        TLV_ID_OR_NULL,
        TLV_TEXT,               /* char[] with its closing NUL */
        TLV_TOPIC,              /* Slice */
        TLV_BYTES,              /* Slice */
        TLV_BITS,               /* uint8_t[] */
        TLV_ADDRESS,
        TLV_HELD,
        TLV_RENEWAL,
        TLV_STAMP,              /* GossipMessage but for its slices */
        TLV_RECORD,
        TLV_RANGE,
        TLV_SUSPICION,
        TLV_PREVIOUS,
        TLV_NEIGHBOUR,
        TLV_LINK,
} TlvKind;

typedef struct TlvTagInfo {
        TlvKind kind;
        size_t size_min, size_max;      /* of the value in bytes */
        uint64_t min, max;              /* of a number */
} TlvTagInfo;

#define ADDRESS_SIZE_IPV4 7U
#define ADDRESS_SIZE_IPV6 19U
#define HELD_SIZE 13U
#define RENEWAL_SIZE 28U
#define STAMP_SIZE 37U
#define RANGE_SIZE 40U
#define SUSPICION_SIZE 45U
#define PREVIOUS_SIZE 16U
#define LINK_SIZE 21U

#define NUMBER(kind, size, min, max) { (kind), (size), (size), (min), (max) }
#define FIXED(kind, size) { (kind), (size), (size), 0, 0 }
#define SIZED(kind, size_min, size_max) { (kind), (size_min), (size_max), 0, 0 }

/* PROTOCOL.md, 2.2. Reasons are open: a later version may know more of them, and its CLOSE should be understood. */
static const TlvTagInfo tag_table[] = {
        [TAG_NETWORK]     = SIZED(TLV_TEXT, 1, NETWORK_NAME_MAX),
        [TAG_VERSION_MIN] = NUMBER(TLV_U16, 2, 1, UINT16_MAX),
        [TAG_VERSION_MAX] = NUMBER(TLV_U16, 2, 1, UINT16_MAX),
        [TAG_VERSION]     = NUMBER(TLV_U16, 2, 1, UINT16_MAX),
        [TAG_ID]          = FIXED(TLV_ID, NODE_ID_SIZE),
        [TAG_EPOCH]       = NUMBER(TLV_U64, 8, 0, UINT64_MAX),
        [TAG_INCARNATION] = NUMBER(TLV_U32, 4, 0, UINT32_MAX),
        [TAG_STATE]       = NUMBER(TLV_ENUM, 1, 0, _MEMBER_STATE_MAX - 1),
        [TAG_ROLE]        = NUMBER(TLV_ENUM, 1, ROLE_PEER, ROLE_SEED),
        [TAG_NAME]        = SIZED(TLV_TEXT, 1, NODE_NAME_MAX),
        [TAG_ADDRESS]     = SIZED(TLV_ADDRESS, ADDRESS_SIZE_IPV4, ADDRESS_SIZE_IPV6),
        [TAG_FEATURES]    = NUMBER(TLV_U64, 8, 0, UINT64_MAX),
        [TAG_PORT]        = NUMBER(TLV_U16, 2, 1, UINT16_MAX),
        [TAG_PURPOSE]     = NUMBER(TLV_ENUM, 1, PURPOSE_SESSION, PURPOSE_PROBE),
        [TAG_HELD]        = FIXED(TLV_HELD, HELD_SIZE),
        [TAG_OBSERVED]    = SIZED(TLV_ADDRESS, ADDRESS_SIZE_IPV4, ADDRESS_SIZE_IPV6),
        [TAG_REASON]      = NUMBER(TLV_ENUM, 1, 1, UINT8_MAX),
        [TAG_RETRY_AFTER] = NUMBER(TLV_U32, 4, 0, UINT32_MAX),
        [TAG_DETAIL]      = SIZED(TLV_TEXT, 0, DETAIL_MAX),
        [TAG_NONCE]       = NUMBER(TLV_U64, 8, 0, UINT64_MAX),
        [TAG_LINKS]       = NUMBER(TLV_U16, 2, 0, UINT16_MAX),
        [TAG_RECORD]      = SIZED(TLV_RECORD, 0, FRAME_SIZE_MAX),
        [TAG_LEASE]       = NUMBER(TLV_U32, 4, 1, UINT32_MAX),
        [TAG_TOTAL]       = NUMBER(TLV_U32, 4, 0, UINT32_MAX),
        [TAG_COUNT]       = NUMBER(TLV_U16, 2, 1, MESSAGE_RECORDS_MAX),
        [TAG_AFTER]       = FIXED(TLV_ID_OR_NULL, NODE_ID_SIZE),
        [TAG_RENEWAL]     = FIXED(TLV_RENEWAL, RENEWAL_SIZE),
        [TAG_AGE]         = NUMBER(TLV_U32, 4, 0, UINT32_MAX),
        [TAG_DIGEST]      = FIXED(TLV_BYTES, SYNC_BUCKETS * 8),
        [TAG_BUCKETS]     = FIXED(TLV_BITS, SYNC_BUCKETS / 8),
        [TAG_PRIORITY]    = NUMBER(TLV_ENUM, 1, PRIORITY_LOW, PRIORITY_MERGE),
        [TAG_STAMP]       = FIXED(TLV_STAMP, STAMP_SIZE),
        [TAG_TOPIC]       = SIZED(TLV_TOPIC, 1, TOPIC_MAX),
        [TAG_PAYLOAD]     = SIZED(TLV_BYTES, 0, PAYLOAD_MAX),
        [TAG_RANGE]       = FIXED(TLV_RANGE, RANGE_SIZE),
        [TAG_TTL]         = NUMBER(TLV_ENUM, 1, 0, UINT8_MAX),
        [TAG_SUSPICION]   = FIXED(TLV_SUSPICION, SUSPICION_SIZE),
        [TAG_PREVIOUS]    = FIXED(TLV_PREVIOUS, PREVIOUS_SIZE),
        [TAG_NEIGHBOUR]   = SIZED(TLV_NEIGHBOUR, NODE_ID_SIZE + ADDRESS_SIZE_IPV4, NODE_ID_SIZE + ADDRESS_SIZE_IPV6),
        [TAG_LINK]        = FIXED(TLV_LINK, LINK_SIZE),
};

/* Enums are read and written through a uint32_t: see TLV_ENUM below. */
static_assert(sizeof(MemberState) == sizeof(uint32_t) && sizeof(Role) == sizeof(uint32_t) &&
              sizeof(Purpose) == sizeof(uint32_t) && sizeof(Priority) == sizeof(uint32_t) &&
              sizeof(CloseReason) == sizeof(uint32_t), "An enum is not as wide as the codec takes it to be.");

static NodeId load_id(const uint8_t *p) {
        NodeId id;

        memcpy(id.bytes, p, NODE_ID_SIZE);
        return id;
}

static bool id_is_valid(const uint8_t *p) {
        NodeId id = load_id(p);

        return !node_id_is_null(&id);
}

/* Names and sentences end up in logs and on terminals: no control characters, neither C0 nor DEL nor C1. */
static bool text_is_valid(Slice v) {
        for (size_t i = 0; i < v.size; i++)
                if (v.data[i] < 0x20 || v.data[i] == 0x7f ||
                    (v.data[i] == 0xc2 && i + 1 < v.size && v.data[i + 1] < 0xa0))
                        return false;

        return utf8_is_valid((const char *) v.data, v.size);
}

static Slice slice_behind(Slice v, size_t n) {
        return slice_of(v.data + n, v.size - n);
}

static bool address_is_valid(Slice v) {
        return (v.data[0] == ADDRESS_IPV4 ? v.size == ADDRESS_SIZE_IPV4 :
                v.data[0] == ADDRESS_IPV6 && v.size == ADDRESS_SIZE_IPV6) && get_be16(v.data + 1) != 0;
}

static Address load_address(Slice v) {
        return v.data[0] == ADDRESS_IPV4 ? address_ipv4(v.data + 3, get_be16(v.data + 1)) :
                                           address_ipv6(v.data + 3, get_be16(v.data + 1));
}

static size_t address_size(const Address *address) {
        return address->family == ADDRESS_IPV4 ? ADDRESS_SIZE_IPV4 : ADDRESS_SIZE_IPV6;
}

static uint8_t *store_address(uint8_t *p, const Address *address) {
        p = put_be16(put_u8(p, address->family), address->port);
        return put_bytes(p, address->bytes, address_size(address) - 3);
}

static uint8_t *store_id(uint8_t *p, const NodeId *id) {
        return put_bytes(p, id->bytes, NODE_ID_SIZE);
}

static bool number_is_valid(const TlvTagInfo *info, uint64_t number) {
        return number >= info->min && number <= info->max;
}

bool tlv_value_is_valid(TlvTag tag, Slice v) {
        const TlvTagInfo *info = tag_table + tag;

        if (v.size < info->size_min || v.size > info->size_max)
                return false;

        switch (info->kind) {
        case TLV_ENUM:
                return number_is_valid(info, v.data[0]);
        case TLV_U16:
                return number_is_valid(info, get_be16(v.data));
        case TLV_U32:
                return number_is_valid(info, get_be32(v.data));
        case TLV_U64:
                return number_is_valid(info, get_be64(v.data));
        case TLV_ID:
        case TLV_RENEWAL:
        case TLV_LINK:
                return id_is_valid(v.data);
        case TLV_RANGE:
                return id_is_valid(v.data) && get_be64(v.data + 24) != 0 && get_be64(v.data + 24) <= get_be64(v.data + 32);
        case TLV_SUSPICION:
                return id_is_valid(v.data) && id_is_valid(v.data + 28);
        case TLV_PREVIOUS:
                return get_be64(v.data + 8) != 0;
        case TLV_NEIGHBOUR:
                return id_is_valid(v.data) && address_is_valid(slice_behind(v, NODE_ID_SIZE));
        case TLV_TEXT:
                return text_is_valid(v);
        case TLV_TOPIC:
                return ascii_is_printable((const char *) v.data, v.size);
        case TLV_ADDRESS:
                return address_is_valid(v);
        case TLV_HELD:
                return v.data[12] < _MEMBER_STATE_MAX;
        case TLV_STAMP:
                return id_is_valid(v.data) && get_be64(v.data + 24) != 0;
        case TLV_RECORD:
                return tlv_check(&tlv_record_layout, v) == 0;
        case TLV_ID_OR_NULL:
        case TLV_BYTES:
        case TLV_BITS:
                return true;
        case TLV_UNKNOWN:
                break;
        }
        assert(false);
        return false;
}

void tlv_value_load(TlvTag tag, Slice v, void *object) {
        switch (tag_table[tag].kind) {
        case TLV_ENUM:
                *(uint32_t *) object = v.data[0];
                return;
        case TLV_U16:
                *(uint16_t *) object = get_be16(v.data);
                return;
        case TLV_U32:
                *(uint32_t *) object = get_be32(v.data);
                return;
        case TLV_U64:
                *(uint64_t *) object = get_be64(v.data);
                return;
        case TLV_ID:
        case TLV_ID_OR_NULL:
                *(NodeId *) object = load_id(v.data);
                return;
        case TLV_TEXT:
                *put_bytes(object, v.data, v.size) = 0;
                return;
        case TLV_TOPIC:
        case TLV_BYTES:
                *(Slice *) object = v;
                return;
        case TLV_BITS:
                (void) put_bytes(object, v.data, v.size);
                return;
        case TLV_ADDRESS:
                *(Address *) object = load_address(v);
                return;
        case TLV_HELD:
                *(Held *) object = (Held) {
                        .epoch = get_be64(v.data),
                        .incarnation = get_be32(v.data + 8),
                        .state = v.data[12],
                };
                return;
        case TLV_RENEWAL:
                *(Renewal *) object = (Renewal) {
                        .id = load_id(v.data),
                        .epoch = get_be64(v.data + 16),
                        .age_msec = get_be32(v.data + 24),
                };
                return;
        case TLV_STAMP: {
                GossipMessage *gossip = object;

                gossip->id = (MessageId) {
                        .origin = load_id(v.data),
                        .epoch = get_be64(v.data + 16),
                        .sequence = get_be64(v.data + 24),
                };
                gossip->age_msec = get_be32(v.data + 32);
                gossip->n_hops = v.data[36];
                return;
        }
        case TLV_RECORD:
                tlv_load(&tlv_record_layout, v, object);
                return;
        case TLV_RANGE:
                *(Range *) object = (Range) {
                        .origin = load_id(v.data),
                        .epoch = get_be64(v.data + 16),
                        .first = get_be64(v.data + 24),
                        .last = get_be64(v.data + 32),
                };
                return;
        case TLV_SUSPICION:
                *(Suspicion *) object = (Suspicion) {
                        .id = load_id(v.data),
                        .epoch = get_be64(v.data + 16),
                        .incarnation = get_be32(v.data + 24),
                        .accuser = load_id(v.data + 28),
                        .n_others = v.data[44],
                };
                return;
        case TLV_PREVIOUS:
                *(Previous *) object = (Previous) { .epoch = get_be64(v.data), .sequence = get_be64(v.data + 8) };
                return;
        case TLV_NEIGHBOUR:
                *(Neighbour *) object = (Neighbour) {
                        .id = load_id(v.data),
                        .address = load_address(slice_behind(v, NODE_ID_SIZE)),
                };
                return;
        case TLV_LINK:
                *(LinkInfo *) object = (LinkInfo) {
                        .id = load_id(v.data),
                        .flags = v.data[16],
                        .rtt_usec = get_be32(v.data + 17),
                };
                return;
        case TLV_UNKNOWN:
                break;
        }
        assert(false);
}

size_t tlv_value_size(TlvTag tag, const void *object) {
        const TlvTagInfo *info = tag_table + tag;
        size_t size = info->size_max;

        switch (info->kind) {
        case TLV_TEXT:
                size = strnlen(object, info->size_max + 1);
                break;
        case TLV_TOPIC:
        case TLV_BYTES:
                size = ((const Slice *) object)->size;
                break;
        case TLV_ADDRESS:
                size = address_size(object);
                break;
        case TLV_NEIGHBOUR:
                size = NODE_ID_SIZE + address_size(&((const Neighbour *) object)->address);
                break;
        case TLV_RECORD:
                size = tlv_size(&tlv_record_layout, object);
                break;
        case TLV_ENUM:
        case TLV_U16:
        case TLV_U32:
        case TLV_U64:
        case TLV_ID:
        case TLV_ID_OR_NULL:
        case TLV_BITS:
        case TLV_HELD:
        case TLV_RENEWAL:
        case TLV_STAMP:
        case TLV_RANGE:
        case TLV_SUSPICION:
        case TLV_PREVIOUS:
        case TLV_LINK:
        case TLV_UNKNOWN:
                break;
        }

        assert(size <= info->size_max);
        return size;
}

static uint8_t *store_enum(uint8_t *p, uint32_t v) {
        assert(v <= UINT8_MAX);

        return put_u8(p, (uint8_t) v);
}

uint8_t *tlv_value_store(TlvTag tag, const void *object, size_t size, uint8_t *p) {
        switch (tag_table[tag].kind) {
        case TLV_ENUM:
                return store_enum(p, *(const uint32_t *) object);
        case TLV_U16:
                return put_be16(p, *(const uint16_t *) object);
        case TLV_U32:
                return put_be32(p, *(const uint32_t *) object);
        case TLV_U64:
                return put_be64(p, *(const uint64_t *) object);
        case TLV_ID:
        case TLV_ID_OR_NULL:
        case TLV_TEXT:
        case TLV_BITS:
                return put_bytes(p, object, size);
        case TLV_TOPIC:
        case TLV_BYTES:
                return put_bytes(p, ((const Slice *) object)->data, size);
        case TLV_ADDRESS:
                return store_address(p, object);
        case TLV_HELD: {
                const Held *held = object;

                return store_enum(put_be32(put_be64(p, held->epoch), held->incarnation), held->state);
        }
        case TLV_RENEWAL: {
                const Renewal *renewal = object;

                return put_be32(put_be64(store_id(p, &renewal->id), renewal->epoch), renewal->age_msec);
        }
        case TLV_STAMP: {
                const GossipMessage *gossip = object;

                p = put_be64(put_be64(store_id(p, &gossip->id.origin), gossip->id.epoch), gossip->id.sequence);
                return put_u8(put_be32(p, gossip->age_msec), gossip->n_hops);
        }
        case TLV_RECORD:
                return tlv_store_part(&tlv_record_layout, object, p);
        case TLV_RANGE: {
                const Range *range = object;

                p = put_be64(store_id(p, &range->origin), range->epoch);
                return put_be64(put_be64(p, range->first), range->last);
        }
        case TLV_SUSPICION: {
                const Suspicion *suspicion = object;

                p = put_be32(put_be64(store_id(p, &suspicion->id), suspicion->epoch), suspicion->incarnation);
                return put_u8(store_id(p, &suspicion->accuser), suspicion->n_others);
        }
        case TLV_PREVIOUS: {
                const Previous *previous = object;

                return put_be64(put_be64(p, previous->epoch), previous->sequence);
        }
        case TLV_NEIGHBOUR: {
                const Neighbour *neighbour = object;

                return store_address(store_id(p, &neighbour->id), &neighbour->address);
        }
        case TLV_LINK: {
                const LinkInfo *link = object;

                return put_be32(put_u8(store_id(p, &link->id), link->flags), link->rtt_usec);
        }
        case TLV_UNKNOWN:
                break;
        }
        assert(false);
        return p;
}

int tlv_value_compare(TlvTag tag, const uint8_t *a, const uint8_t *b) {
        return memcmp(a, b, tag_table[tag].size_max);
}

void tlv_value_patch_stamp(uint8_t *value, uint32_t age_msec, uint8_t n_hops) {
        value += STAMP_SIZE - sizeof(age_msec) - sizeof(n_hops);
        (void) put_u8(put_be32(value, age_msec), n_hops);
}
