/*
 * amqp_methods.h - the methods of AMQP 0-9-1 by name, with their arguments in wire order.
 *
 * Kept apart from the front end's own table on purpose: a transcript must not learn the wire
 * from what it tests.
 */
#ifndef SLUICE_TESTS_TRANSCRIPT_AMQP_METHODS_H
#define SLUICE_TESTS_TRANSCRIPT_AMQP_METHODS_H

#include <stdint.h>

#define PROPERTIES_COUNT 14

struct method_form {
    const char *name; /* "queue.declare" */
    uint16_t class_id;
    uint16_t method_id;
    /* name:type, with a blank between; o octet, h short, l long, q longlong, s short string,
     * S long string, T table, b bit (bits that stand together share an octet) */
    const char *arguments;
};

extern const struct method_form METHOD_FORMS[]; /* ends with a NULL name */
/* name:type of the basic properties, from flag 15 down. */
extern const char *const PROPERTY_FORMS[PROPERTIES_COUNT];

#endif
