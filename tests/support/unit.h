/*
 * unit.h - one CUnit suite per program.
 *
 *   static void a_promise(void) { ... }
 *   int main(void) { static CU_TestInfo tests[] = {UNIT(a_promise), CU_TEST_INFO_NULL};
 *                    return unit_run("core/queue", tests); }
 *
 * Prints CUnit's summary and one closing line "NAME: N passed, N failed".
 */
#ifndef SLUICE_TESTS_SUPPORT_UNIT_H
#define SLUICE_TESTS_SUPPORT_UNIT_H

#include <CUnit/CUnit.h>

#define UNIT(function)                                                                             \
    {                                                                                              \
#function, function                                                                        \
    }

int unit_run(const char *suite, CU_TestInfo *tests);

#endif
