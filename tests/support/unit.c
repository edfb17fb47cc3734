#include "tests/support/unit.h"

#include <CUnit/Basic.h>
#include <stdio.h>

int unit_run(const char *suite, CU_TestInfo *tests)
{
    CU_SuiteInfo suites[] = {{suite, NULL, NULL, NULL, NULL, tests}, CU_SUITE_INFO_NULL};

    if (CU_initialize_registry() != CUE_SUCCESS || CU_register_suites(suites) != CUE_SUCCESS) {
        fprintf(stderr, "%s: CUnit did not start: %s\n", suite, CU_get_error_msg());
        return 2;
    }
    CU_basic_set_mode(CU_BRM_NORMAL);
    CU_basic_run_tests();

    unsigned failed = CU_get_number_of_tests_failed();
    unsigned run = CU_get_number_of_tests_run();
    printf("%s: %u passed, %u failed\n", suite, run - failed, failed);
    CU_cleanup_registry();
    return run == 0 || failed != 0;
}
