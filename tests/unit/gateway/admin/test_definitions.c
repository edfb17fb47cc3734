#include "gateway/admin/definitions.h"

#include "tests/support/unit.h"

#include <stdlib.h>

static char passed_room[1024];
static struct text passed_over;

/* vhost: of all, or NULL. */
static struct change *import(const char *json, const char *vhost)
{
    char reason[512];
    struct text why = text_on(reason, sizeof reason);
    struct change *c = change_new(NULL, 0);
    json_t *root = json_loads(json, 0, NULL);
    struct sl_bytes of = vhost == NULL ? (struct sl_bytes){NULL, 0} : sl_bytes_of(vhost);

    CU_ASSERT_PTR_NOT_NULL_FATAL(root);
    passed_over = text_on(passed_room, sizeof passed_room);
    CU_ASSERT_EQUAL_FATAL(definitions_import(c, root, of, &passed_over, &why), SL_OK);
    json_decref(root);
    return c;
}

/* Whoever asked for it may have gone by then, and with it the words of the request. */
static void all_of_a_change_stays_when_its_request_goes(void)
{
    char vhost[] = "shop";
    struct change *c = import("{\"permissions\": [{\"user\": \"u\", \"configure\": \"\", "
                              "\"write\": \"\", \"read\": \"\"}], \"queues\": [{\"name\": \"q\"}], "
                              "\"policies\": [{\"name\": \"p\", \"pattern\": \"\", "
                              "\"definition\": {\"max-length\": 1}}]}",
                              vhost);

    memset(vhost, 'x', sizeof vhost - 1);
    CU_ASSERT_EQUAL_FATAL(c->count, 3);
    for (size_t i = 0; i < c->count; i++)
        CU_ASSERT(sl_bytes_are(c->calls[i].vhost, "shop"));
    CU_ASSERT(sl_bytes_are(c->calls[0].account.vhost, "shop"));
    CU_ASSERT(sl_bytes_are(c->calls[1].policy.vhost, "shop"));
    change_free(c);
}

static void each_part_that_means_nothing_is_named_once(void)
{
    struct change *c = import("{\"shovels_too\": [1], \"shovels\": [1], \"queues\": ["
                              "{\"name\": \"a\", \"vhost\": \"/\", \"leader_2\": 1},"
                              "{\"name\": \"b\", \"vhost\": \"/\", \"leader\": 1},"
                              "{\"name\": \"c\", \"vhost\": \"/\", \"leader\": 1}]}",
                              NULL);

    CU_ASSERT_STRING_EQUAL(passed_over.at, "queues.leader_2,queues.leader,shovels_too,shovels");
    change_free(c);
}

/* What lay in memory before is no part of a name. */
static void a_part_is_named_by_its_own_words(void)
{
    static const size_t USED_BYTES = 64 * 1024;
    char *used = malloc(USED_BYTES);

    CU_ASSERT_PTR_NOT_NULL_FATAL(used);
    memset(used, 'x', USED_BYTES);
    CU_ASSERT_EQUAL_FATAL(used[1], 'x');
    free(used);
    struct change *c = import("{\"parameters\": [{\"component\": \"shovel\", \"vhost\": \"/\", "
                              "\"name\": \"s\", \"value\": {}}], \"global_parameters\": ["
                              "{\"name\": \"cluster_tags\", \"value\": []}]}",
                              NULL);

    CU_ASSERT_STRING_EQUAL(passed_over.at, "parameters.shovel,global_parameters.cluster_tags");
    change_free(c);
}

int main(void)
{
    static CU_TestInfo tests[] = {UNIT(all_of_a_change_stays_when_its_request_goes),
                                  UNIT(each_part_that_means_nothing_is_named_once),
                                  UNIT(a_part_is_named_by_its_own_words), CU_TEST_INFO_NULL};
    return unit_run("gateway/admin/definitions", tests);
}
