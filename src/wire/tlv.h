/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * TLVs: how a struct lies on the wire, told by a table, from which encoder and decoder both work.
 *
 * A layout lists the TLVs of one body: under which tag, where in the struct, how often. What a value looks like and
 * which bounds it has belongs to its tag: tlv-value.h. A decoder first checks everything, then
 * loads: so the struct is written only when all of it is good, and loading cannot fail.
 */

#include "base/bytes.h"

typedef enum TlvTag {
        TAG_NETWORK     = 1,
        TAG_VERSION_MIN = 2,
        TAG_VERSION_MAX = 3,
        TAG_VERSION     = 4,
        TAG_ID          = 5,
        TAG_EPOCH       = 6,
        TAG_INCARNATION = 7,
        TAG_STATE       = 8,
        TAG_ROLE        = 9,
        TAG_NAME        = 10,
        TAG_ADDRESS     = 11,
        TAG_FEATURES    = 12,
        TAG_PORT        = 13,
        TAG_PURPOSE     = 14,
        TAG_HELD        = 15,
        TAG_OBSERVED    = 16,
        TAG_REASON      = 17,
        TAG_RETRY_AFTER = 18,
        TAG_DETAIL      = 19,
        TAG_NONCE       = 20,
        TAG_LINKS       = 21,
        TAG_RECORD      = 22,
        TAG_LEASE       = 23,
        TAG_TOTAL       = 24,
        TAG_COUNT       = 25,
        TAG_AFTER       = 26,
        TAG_RENEWAL     = 27,
        TAG_AGE         = 28,
        TAG_DIGEST      = 29,
        TAG_BUCKETS     = 30,
        TAG_PRIORITY    = 31,
        TAG_STAMP       = 32,
        TAG_TOPIC       = 33,
        TAG_PAYLOAD     = 34,
        TAG_RANGE       = 35,
        TAG_TTL         = 36,
        TAG_SUSPICION   = 37,
        TAG_PREVIOUS    = 38,
        TAG_NEIGHBOUR   = 39,
        TAG_LINK        = 40,
} TlvTag;

#define TLV_HEADER_SIZE 4U
#define TLV_CRITICAL 0x80U
#define TLV_FIELDS_MAX 16U              /* of one layout */

typedef enum TlvPresence {
        TLV_ONCE,               /* has to be there */
        TLV_OPTIONAL,           /* a bool at @n_offset says whether it is */
        TLV_ADDRESS_OR_NONE,    /* an Address that is not set when there is none */
        TLV_REPEATED,           /* a size_t at @n_offset says how many are */
} TlvPresence;

typedef struct TlvField {
        TlvTag tag;
        TlvPresence presence;
        size_t offset;          /* of the value, or of the first of an array of them */
        size_t n_offset;
        size_t n_max;           /* of a repeated one */
        size_t element_size;
        TlvTag not_below;       /* 0, or the tag of another number, required and of the same size */
} TlvField;

typedef struct TlvLayout {
        const char *name;
        const TlvField *fields;
        size_t n_fields;
} TlvLayout;

/* The entries of a layout: of which struct, which TLV, which member. */
#define TLV_FIELD_ONCE(type, t, member) \
        { .tag = (t), .presence = TLV_ONCE, .offset = offsetof(type, member) }
#define TLV_FIELD_OPTIONAL(type, t, member, has) \
        { .tag = (t), .presence = TLV_OPTIONAL, .offset = offsetof(type, member), .n_offset = offsetof(type, has) }
#define TLV_FIELD_REPEATED(type, t, member, n)                                                          \
        {                                                                                               \
                .tag = (t), .presence = TLV_REPEATED,                                                   \
                .offset = offsetof(type, member), .n_offset = offsetof(type, n),                        \
                .n_max = ELEMENTSOF(((type *) 0)->member), .element_size = sizeof(((type *) 0)->member[0]), \
        }

/* A member list's entry, the only layout that others contain; its struct is Record. */
extern const TlvLayout tlv_record_layout;

/* Return: 0 when @tlvs is a body of this layout, each value within its bounds, and -EBADMSG when it is not. */
int tlv_check(const TlvLayout *layout, Slice tlvs);

/* Writes @object from a body that tlv_check() let pass. Its slices borrow from the body. */
void tlv_load(const TlvLayout *layout, Slice tlvs, void *object);

/* Both at once, for the body that nearly everybody sends: the TLVs of a small layout in its order, none of them unknown. Return: false
 * when it is another one, or malformed; then nothing is written, and the two functions above find out. */
bool tlv_load_plain(const TlvLayout *layout, Slice tlvs, void *object);

/* The size of the body that tlv_store() will make of @object. */
size_t tlv_size(const TlvLayout *layout, const void *object);

/* Writes the body and returns the byte behind it. What tlv_check() would refuse is our own mistake (assert). */
uint8_t *tlv_store(const TlvLayout *layout, const void *object, uint8_t *p);

/* The same for a part of a body, such as a record in it: whoever asks for it checks the whole. */
uint8_t *tlv_store_part(const TlvLayout *layout, const void *object, uint8_t *p);

/* Changes age and hops in a body that has a STAMP. */
void tlv_patch_stamp(uint8_t *body, uint32_t age_msec, uint8_t n_hops);
