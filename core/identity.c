#include "core/identity.h"

#define USER "guest"
#define PASSWORD "guest"

enum identity_refusal identity_check(struct sl_bytes user, struct sl_bytes password,
                                     bool is_loopback)
{
    if (!sl_bytes_are(user, USER) || !sl_bytes_are(password, PASSWORD))
        return IDENTITY_BAD_CREDENTIALS;
    if (!is_loopback)
        return IDENTITY_NOT_LOOPBACK;
    return IDENTITY_OK;
}
