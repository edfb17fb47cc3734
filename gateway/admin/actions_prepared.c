/* actions_prepared.c - an administrator decides what becomes of a prepared message. */
#include "gateway/admin/actions.h"

#include "core/base/limits.h"

static unsigned decide(struct action *a, enum change_kind kind);

unsigned act_commit(struct action *a)
{
    return decide(a, CHANGE_COMMIT);
}

unsigned act_rollback(struct action *a)
{
    return decide(a, CHANGE_ROLLBACK);
}

static unsigned decide(struct action *a, enum change_kind kind)
{
    const struct sl_bytes *arguments = a->view->arguments;

    if (arguments[1].len > SL_NAME_BYTES_MAX || arguments[2].len > SL_NAME_BYTES_MAX)
        return view_not_found(a->view);
    struct change_call *call = change_add(a->change, kind, 0, arguments[0]);
    call->user = change_keep(a->change, arguments[1]);
    call->name = change_keep(a->change, arguments[2]);
    return 0;
}
