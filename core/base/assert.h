/*
 * assert.h - what the code relies on, checked in release builds too.
 *
 * A broker that has lost track must stop before it confirms something false.  Never assert on
 * anything that a peer or a disk can cause: that is an error.
 */
#ifndef SLUICE_CORE_BASE_ASSERT_H
#define SLUICE_CORE_BASE_ASSERT_H

/* Prints the failed expression to standard error and aborts. */
_Noreturn void sl_assert_failed(const char *expression, const char *file, int line);

#define SL_ASSERT(expression)                                                                      \
    ((expression) ? (void)0 : sl_assert_failed(#expression, __FILE__, __LINE__))

/* Checks that cost more than a compare: only where SLUICE_CHECKS is on (debug, sanitizers). */
#ifdef SLUICE_CHECKS
#define SL_CHECK(expression) SL_ASSERT(expression)
#else
#define SL_CHECK(expression) ((void)sizeof((expression) ? 1 : 0))
#endif

#endif
