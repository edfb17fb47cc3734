#include "gateway/cert_login.h"

static struct sl_bytes alternative_name(const struct cert_login *login,
                                        const struct peer_certificate *certificate);
static int find(const char *const *words, int count, const char *word);

enum sl_err cert_login_parse(const char *from, const char *kind, uint32_t index,
                             struct cert_login *out, struct text *why)
{
    static const char *const FROM[] = {"distinguished_name", "common_name",
                                       "subject_alternative_name"};
    static const char *const KINDS[] = {"dns", "email", "uri", "ip"};
    int which = find(FROM, 3, from);
    int what = find(KINDS, 4, kind);

    if (which < 0)
        text_add(why, "ssl-cert-login-from '%s' is none of %s, %s, %s", from, FROM[0], FROM[1],
                 FROM[2]);
    else if (what < 0)
        text_add(why, "ssl-cert-login-san-type '%s' is none of dns, email, uri, ip", kind);
    *out = (struct cert_login){(enum cert_login_from)which, (enum peer_name_kind)what, index};
    return which < 0 || what < 0 ? SL_ESYNTAX : SL_OK;
}

char *cert_login_name(const struct cert_login *login, const struct peer_security *security)
{
    const struct peer_certificate *c = security == NULL ? NULL : security->certificate;
    struct sl_bytes name = {NULL, 0};

    if (c == NULL)
        return NULL;
    switch (login->from) {
    case CERT_LOGIN_DISTINGUISHED: name = c->distinguished_name; break;
    case CERT_LOGIN_COMMON: name = c->common_name; break;
    case CERT_LOGIN_ALTERNATIVE: name = alternative_name(login, c); break;
    }
    return name.len == 0 ? NULL : strndup((const char *)name.at, name.len);
}

static struct sl_bytes alternative_name(const struct cert_login *login,
                                        const struct peer_certificate *certificate)
{
    uint32_t seen = 0;

    for (uint32_t i = 0; i < certificate->names_count; i++)
        if (certificate->names[i].kind == login->kind && seen++ == login->index)
            return certificate->names[i].name;
    return (struct sl_bytes){NULL, 0};
}

static int find(const char *const *words, int count, const char *word)
{
    for (int i = 0; i < count; i++)
        if (strcmp(words[i], word) == 0)
            return i;
    return -1;
}
