/*
 * crc32c.h - the checksum of everything on disk (Castagnoli polynomial, as in iSCSI and ext4).
 *
 * Chains: crc32c(crc32c(0, a), b) is the checksum of a followed by b.
 *
 * Thread: any.
 */
#ifndef SLUICE_CORE_BASE_CRC32C_H
#define SLUICE_CORE_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Uses the CPU's instruction where there is one. */
uint32_t crc32c(uint32_t crc, const void *at, size_t n);

/* The same by tables on any CPU; the two are compared in tests. */
uint32_t crc32c_by_tables(uint32_t crc, const void *at, size_t n);

#endif
