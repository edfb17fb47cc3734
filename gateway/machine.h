/*
 * machine.h - what this machine, or the part of it that is ours, has to give.
 */
#ifndef SLUICE_GATEWAY_MACHINE_H
#define SLUICE_GATEWAY_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

/* Cores that this process may run on; at least 1. */
uint32_t machine_cores(void);
/* The smaller of the memory that is there and what the control group allows. */
uint64_t machine_memory_bytes(void);
/* Every connection is a descriptor: takes as many as the hard limit allows, returns them. */
uint64_t machine_raise_descriptors(void);
/* Is there one for another connection?  The last ones are for the disk: a log that cannot open its
 * next file is over.  some: any that is open. */
bool machine_has_descriptor(int some);
/* Tells the C library's allocator how many threads it serves. */
void machine_tune_allocator(uint32_t threads);
/* Gives memory back to the system after a burst; called now and then, by main. */
void machine_trim_allocator(uint64_t used_bytes);

#endif
