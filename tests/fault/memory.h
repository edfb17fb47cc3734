/*
 * memory.h - allocations of core and store that fail when they are told to.
 *
 * The linker sends their malloc, calloc, realloc, aligned_alloc, strdup and strndup here
 * (--wrap); the tests' own are compiled with other names for them and never fail.  An assertion
 * that fails because of it ends the life that is played, by way of memory_exit.
 *
 * Thread: one.
 */
#ifndef SLUICE_TESTS_FAULT_MEMORY_H
#define SLUICE_TESTS_FAULT_MEMORY_H

#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>

extern sigjmp_buf memory_exit;

/* Counts from here, and the n-th fails; 0: none. */
void memory_fail_at(uint64_t n);
uint64_t memory_calls(void);
/* In between, the core's functions are called for the test's own sake.  Pairs may nest. */
void memory_pause(bool is_paused);
bool memory_has_failed(void); /* some did, ever */

#endif
