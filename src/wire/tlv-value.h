/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The value of a TLV: what it looks like and which bounds it has, by its tag alone, wherever it stands. In the struct it is what
 * the tag is for: a number of its width, an enum, a text with its NUL, a Slice that borrows, an Address, a Record.
 */

#include "wire/tlv.h"

bool tlv_value_is_valid(TlvTag tag, Slice value);

/* Writes what a valid value says; @object has the type that belongs to the tag. */
void tlv_value_load(TlvTag tag, Slice value, void *object);

size_t tlv_value_size(TlvTag tag, const void *object);

/* @size is what tlv_value_size() says. Return: the byte behind it. */
uint8_t *tlv_value_store(TlvTag tag, const void *object, size_t size, uint8_t *p);

/* Of two valid numbers of that tag, as memcmp(). */
int tlv_value_compare(TlvTag tag, const uint8_t *a, const uint8_t *b);

/* Changes age and hops in the value of a STAMP. */
void tlv_value_patch_stamp(uint8_t *value, uint32_t age_msec, uint8_t n_hops);
