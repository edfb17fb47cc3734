#include "gateway/proxy_protocol.h"

#include "core/base/crc32c.h"
#include "core/base/limits.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

#define LINE_BYTES_MAX 107u /* with CR LF: the longest that version 1 allows */
#define FIXED_BYTES 16u     /* of version 2 */
#define OPTION_CRC32C 0x03

static const uint8_t SIGNATURE[12] = "\r\n\r\n\0\r\nQUIT\n";

static enum sl_err parse_line(struct sl_bytes in, struct proxy_header *out);
static bool read_words(char *line, struct proxy_header *out);
static bool read_port(const char *word, uint16_t *port);
static enum sl_err parse_binary(struct sl_bytes in, struct proxy_header *out);
static bool read_addresses(struct sl_reader *r, uint8_t family, struct proxy_header *out);
static void put_v4(struct address *out, struct sl_bytes ip, uint16_t port);
static void put_v6(struct address *out, struct sl_bytes ip, uint16_t port);
static bool check_options(struct sl_bytes header, struct sl_reader r);
static bool has_sum(struct sl_bytes header, struct sl_bytes sum);

enum sl_err proxy_protocol_parse(struct sl_bytes in, struct proxy_header *out)
{
    static const char WORD[] = "PROXY ";
    size_t seen = in.len < sizeof SIGNATURE ? in.len : sizeof SIGNATURE;
    size_t word = in.len < sizeof WORD - 1 ? in.len : sizeof WORD - 1;

    *out = (struct proxy_header){.len = 0};
    if (in.len == 0)
        return SL_EAGAIN;
    if (memcmp(in.at, SIGNATURE, seen) == 0)
        return in.len < FIXED_BYTES ? SL_EAGAIN : parse_binary(in, out);
    if (memcmp(in.at, WORD, word) == 0)
        return parse_line(in, out);
    return SL_EPROTO;
}

static enum sl_err parse_line(struct sl_bytes in, struct proxy_header *out)
{
    char line[LINE_BYTES_MAX + 1];
    size_t len = in.len < LINE_BYTES_MAX ? in.len : LINE_BYTES_MAX;
    const uint8_t *lf = memchr(in.at, '\n', len);

    if (lf == NULL)
        return in.len < LINE_BYTES_MAX ? SL_EAGAIN : SL_EPROTO;
    out->len = (size_t)(lf - in.at) + 1;
    if (lf[-1] != '\r' || memchr(in.at, '\0', out->len) != NULL)
        return SL_EPROTO;
    memcpy(line, in.at, out->len - 2);
    line[out->len - 2] = '\0';
    return read_words(line, out) ? SL_OK : SL_EPROTO;
}

/* "PROXY TCP4 192.0.2.1 192.0.2.2 4711 5672", with one blank each. */
static bool read_words(char *line, struct proxy_header *out)
{
    char *words[6];
    uint16_t ports[2];
    int count = 0;
    char *at = line;

    for (; at != NULL && count < 6; count++)
        words[count] = strsep(&at, " ");
    if (count >= 2 && strcmp(words[1], "UNKNOWN") == 0) { /* whatever follows */
        out->is_local = true;
        return true;
    }
    if (at != NULL) /* a seventh */
        return false;
    bool is_v4 = count == 6 && strcmp(words[1], "TCP4") == 0;
    if (count != 6 || (!is_v4 && strcmp(words[1], "TCP6") != 0) ||
        !read_port(words[4], &ports[0]) || !read_port(words[5], &ports[1]) || *words[2] == '[' ||
        *words[3] == '[')
        return false;
    int family = is_v4 ? AF_INET : AF_INET6;
    return address_parse(words[2], ports[0], &out->source) == SL_OK &&
           address_parse(words[3], ports[1], &out->target) == SL_OK &&
           out->source.at.ss_family == family && out->target.at.ss_family == family;
}

/* Digits alone, without a leading zero. */
static bool read_port(const char *word, uint16_t *port)
{
    size_t len = strspn(word, "0123456789");
    unsigned long number = strtoul(word, NULL, 10);

    *port = (uint16_t)number;
    return len != 0 && len <= 5 && word[len] == '\0' && number <= UINT16_MAX &&
           (len == 1 || word[0] != '0');
}

static enum sl_err parse_binary(struct sl_bytes in, struct proxy_header *out)
{
    uint8_t command = in.at[12];
    uint8_t family = in.at[13];
    size_t len = FIXED_BYTES + sl_load_u16(in.at + 14);

    if ((command & 0xf0) != 0x20 || (command & 0x0f) > 1 || len > SL_PROXY_HEADER_BYTES_MAX)
        return SL_EPROTO;
    if (in.len < len)
        return SL_EAGAIN;
    struct sl_bytes header = {in.at, len};
    struct sl_reader r = sl_reader_of(sl_bytes_skip(header, FIXED_BYTES));
    out->len = len;
    if ((command & 0x0f) == 0) { /* LOCAL: the addresses are to be passed over */
        out->is_local = true;
        return SL_OK;
    }
    if (!read_addresses(&r, family, out))
        return SL_EPROTO;
    return out->is_local || check_options(header, r) ? SL_OK : SL_EPROTO;
}

static bool read_addresses(struct sl_reader *r, uint8_t family, struct proxy_header *out)
{
    struct sl_bytes ip[2];
    size_t width = family == 0x11 ? 4 : 16;

    switch (family) {
    case 0x00: /* unspecified */ out->is_local = true; return true;
    case 0x31: /* a local stream socket: two paths */
        out->is_local = true;
        (void)sl_read_bytes(r, 216);
        return !r->is_short;
    case 0x11:
    case 0x21: break;
    default: return false; /* datagrams, and what nobody has thought of */
    }
    ip[0] = sl_read_bytes(r, width);
    ip[1] = sl_read_bytes(r, width);
    uint16_t from = sl_read_u16(r);
    uint16_t to = sl_read_u16(r);
    if (r->is_short)
        return false;
    (family == 0x11 ? put_v4 : put_v6)(&out->source, ip[0], from);
    (family == 0x11 ? put_v4 : put_v6)(&out->target, ip[1], to);
    return true;
}

static void put_v4(struct address *out, struct sl_bytes ip, uint16_t port)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};

    memcpy(&v4.sin_addr, ip.at, ip.len);
    memcpy(&out->at, &v4, sizeof v4);
    out->len = sizeof v4;
}

static void put_v6(struct address *out, struct sl_bytes ip, uint16_t port)
{
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};

    memcpy(&v6.sin6_addr, ip.at, ip.len);
    memcpy(&out->at, &v6, sizeof v6);
    out->len = sizeof v6;
}

/* They are passed over, but must be whole, and a checksum among them must be right. */
static bool check_options(struct sl_bytes header, struct sl_reader r)
{
    while (sl_reader_left(&r) != 0) {
        uint8_t type = sl_read_u8(&r);
        struct sl_bytes value = sl_read_bytes(&r, sl_read_u16(&r));

        if (r.is_short)
            return false;
        if (type == OPTION_CRC32C && !has_sum(header, value))
            return false;
    }
    return true;
}

/* Over the whole header, with zeros where the sum itself stands. */
static bool has_sum(struct sl_bytes header, struct sl_bytes sum)
{
    static const uint8_t ZEROS[4];

    if (sum.len != sizeof ZEROS)
        return false;
    size_t before = (size_t)(sum.at - header.at);
    uint32_t crc = crc32c(0, header.at, before);
    crc = crc32c(crc, ZEROS, sizeof ZEROS);
    crc = crc32c(crc, sum.at + sizeof ZEROS, header.len - before - sizeof ZEROS);
    return crc == sl_load_u32(sum.at);
}
