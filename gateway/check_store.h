/*
 * check_store.h - sluice --check-store DIR: reads without changing a byte, says what is there.
 *
 * Thread: main, without any other.
 */
#ifndef SLUICE_GATEWAY_CHECK_STORE_H
#define SLUICE_GATEWAY_CHECK_STORE_H

/* The exit status of the process. */
int check_store(const char *dir);

#endif
