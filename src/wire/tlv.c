/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "wire/tlv.h"

#include <errno.h>

#include "wire/message.h"
#include "wire/tlv-value.h"

#define PLAIN_FIELDS_MAX 4U     /* as many as GOSSIP has */

static const TlvField record_fields[] = {
        TLV_FIELD_ONCE(Record, TAG_ID, id),
        TLV_FIELD_ONCE(Record, TAG_EPOCH, epoch),
        TLV_FIELD_ONCE(Record, TAG_INCARNATION, incarnation),
        TLV_FIELD_ONCE(Record, TAG_STATE, state),
        TLV_FIELD_ONCE(Record, TAG_ROLE, role),
        TLV_FIELD_ONCE(Record, TAG_NAME, name),
        TLV_FIELD_ONCE(Record, TAG_AGE, age_msec),
        TLV_FIELD_REPEATED(Record, TAG_ADDRESS, addresses, n_addresses),
};

const TlvLayout tlv_record_layout = { "record", record_fields, ELEMENTSOF(record_fields) };

/* Takes the first TLV off @tlvs. Return: 1, 0 at the end, -EBADMSG when what is left is not a TLV. */
static int tlv_next(Slice *tlvs, uint8_t *ret_tag, Slice *ret_value) {
        size_t size;

        if (tlvs->size == 0)
                return 0;
        if (tlvs->size < TLV_HEADER_SIZE)
                return -EBADMSG;

        size = get_be24(tlvs->data + 1);
        if (size > tlvs->size - TLV_HEADER_SIZE)
                return -EBADMSG;

        *ret_tag = tlvs->data[0];
        *ret_value = slice_of(tlvs->data + TLV_HEADER_SIZE, size);
        *tlvs = slice_of(tlvs->data + TLV_HEADER_SIZE + size, tlvs->size - TLV_HEADER_SIZE - size);
        return 1;
}

static const TlvField *layout_find(const TlvLayout *layout, uint8_t tag) {
        for (size_t i = 0; i < layout->n_fields; i++)
                if (layout->fields[i].tag == (tag & ~TLV_CRITICAL))
                        return layout->fields + i;
        return NULL;
}

int tlv_check(const TlvLayout *layout, Slice tlvs) {
        const uint8_t *found[TLV_FIELDS_MAX];
        size_t n[TLV_FIELDS_MAX];
        Slice value;
        uint8_t tag;
        int r;

        assert(layout->n_fields <= TLV_FIELDS_MAX);
        for (size_t i = 0; i < layout->n_fields; i++) {         /* most have a few: not worth clearing all places */
                found[i] = NULL;
                n[i] = 0;
        }

        while ((r = tlv_next(&tlvs, &tag, &value)) > 0) {
                const TlvField *field = layout_find(layout, tag);
                size_t i;

                if (!field) {
                        if ((tag & TLV_CRITICAL) || tag == 0)
                                return -EBADMSG;
                        continue;
                }

                i = (size_t) (field - layout->fields);
                if (++n[i] > (field->presence == TLV_REPEATED ? field->n_max : 1))
                        return -EBADMSG;
                if (!tlv_value_is_valid(field->tag, value))
                        return -EBADMSG;
                found[i] = value.data;
        }
        if (r < 0)
                return r;

        for (size_t i = 0; i < layout->n_fields; i++)
                if (layout->fields[i].presence == TLV_ONCE && n[i] == 0)
                        return -EBADMSG;

        for (size_t i = 0; i < layout->n_fields; i++) {
                const TlvField *field = layout->fields + i, *other;

                if (!field->not_below)
                        continue;
                other = layout_find(layout, field->not_below);
                if (tlv_value_compare(field->tag, found[i], found[other - layout->fields]) < 0)
                        return -EBADMSG;
        }
        return 0;
}

void tlv_load(const TlvLayout *layout, Slice tlvs, void *object) {
        uint8_t *base = object, tag;
        Slice value;

        for (const TlvField *field = layout->fields; field < layout->fields + layout->n_fields; field++)
                switch (field->presence) {
                case TLV_ONCE:
                        break;
                case TLV_OPTIONAL:
                        *(bool *) (base + field->n_offset) = false;
                        break;
                case TLV_ADDRESS_OR_NONE:
                        *(Address *) (base + field->offset) = (Address) {};
                        break;
                case TLV_REPEATED:
                        *(size_t *) (base + field->n_offset) = 0;
                        break;
                }

        while (tlv_next(&tlvs, &tag, &value) > 0) {
                const TlvField *field = layout_find(layout, tag);
                size_t i = 0;

                if (!field)
                        continue;
                if (field->presence == TLV_OPTIONAL)
                        *(bool *) (base + field->n_offset) = true;
                else if (field->presence == TLV_REPEATED)
                        i = (*(size_t *) (base + field->n_offset))++;

                tlv_value_load(field->tag, value, base + field->offset + i * field->element_size);
        }
}

bool tlv_load_plain(const TlvLayout *layout, Slice tlvs, void *object) {
        const uint8_t *values[PLAIN_FIELDS_MAX];
        size_t sizes[PLAIN_FIELDS_MAX];
        uint8_t *base = object;

        if (layout->n_fields > PLAIN_FIELDS_MAX)
                return false;

        for (size_t i = 0; i < layout->n_fields; i++) {
                const TlvField *field = layout->fields + i;

                if (field->presence != TLV_ONCE && field->presence != TLV_OPTIONAL)
                        return false;
                values[i] = NULL;
                if (tlvs.size < TLV_HEADER_SIZE || tlvs.data[0] != field->tag) {
                        if (field->presence == TLV_ONCE)
                                return false;
                        continue;
                }

                values[i] = tlvs.data + TLV_HEADER_SIZE;
                sizes[i] = get_be24(tlvs.data + 1);
                if (field->not_below || sizes[i] > tlvs.size - TLV_HEADER_SIZE ||
                    !tlv_value_is_valid(field->tag, slice_of(values[i], sizes[i])))
                        return false;
                tlvs = slice_of(values[i] + sizes[i], tlvs.size - TLV_HEADER_SIZE - sizes[i]);
        }
        if (tlvs.size > 0)
                return false;

        for (size_t i = 0; i < layout->n_fields; i++) {
                const TlvField *field = layout->fields + i;

                if (field->presence == TLV_OPTIONAL)
                        *(bool *) (base + field->n_offset) = values[i] != NULL;
                if (values[i])
                        tlv_value_load(field->tag, slice_of(values[i], sizes[i]), base + field->offset);
        }
        return true;
}

/* How many TLVs of this field @object has. */
static size_t field_count(const TlvField *field, const uint8_t *base) {
        size_t n = 1;

        switch (field->presence) {
        case TLV_ONCE:
                break;
        case TLV_OPTIONAL:
                n = *(const bool *) (base + field->n_offset);
                break;
        case TLV_ADDRESS_OR_NONE:
                n = address_is_set((const Address *) (base + field->offset));
                break;
        case TLV_REPEATED:
                n = *(const size_t *) (base + field->n_offset);
                assert(n <= field->n_max);
                break;
        }
        return n;
}

size_t tlv_size(const TlvLayout *layout, const void *object) {
        const uint8_t *base = object;
        size_t size = 0;

        for (const TlvField *field = layout->fields; field < layout->fields + layout->n_fields; field++)
                for (size_t i = 0, n = field_count(field, base); i < n; i++)
                        size += TLV_HEADER_SIZE +
                                tlv_value_size(field->tag, base + field->offset + i * field->element_size);
        return size;
}

uint8_t *tlv_store_part(const TlvLayout *layout, const void *object, uint8_t *p) {
        const uint8_t *base = object;

        for (const TlvField *field = layout->fields; field < layout->fields + layout->n_fields; field++)
                for (size_t i = 0, n = field_count(field, base); i < n; i++) {
                        const void *value = base + field->offset + i * field->element_size;
                        size_t size = tlv_value_size(field->tag, value);

                        p = put_be24(put_u8(p, (uint8_t) field->tag), (uint32_t) size);
                        p = tlv_value_store(field->tag, value, size, p);
                }
        return p;
}

uint8_t *tlv_store(const TlvLayout *layout, const void *object, uint8_t *p) {
        uint8_t *end = tlv_store_part(layout, object, p);

        assert(tlv_check(layout, slice_of(p, (size_t) (end - p))) == 0);
        return end;
}

void tlv_patch_stamp(uint8_t *body, uint32_t age_msec, uint8_t n_hops) {
        uint8_t *p = body;

        while ((p[0] & ~TLV_CRITICAL) != TAG_STAMP)
                p += TLV_HEADER_SIZE + get_be24(p + 1);
        tlv_value_patch_stamp(p + TLV_HEADER_SIZE, age_msec, n_hops);
}
