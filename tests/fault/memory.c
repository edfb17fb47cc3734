#include "tests/fault/memory.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* What the linker makes of --wrap, and what tests' allocations are called. */
void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *at, size_t n);
void *__real_aligned_alloc(size_t align, size_t n);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *at, size_t n);
void *__wrap_aligned_alloc(size_t align, size_t n);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t n);
void *plain_malloc(size_t n);
void *plain_calloc(size_t n, size_t size);
void *plain_realloc(void *at, size_t n);
_Noreturn void __wrap_sl_assert_failed(const char *expression, const char *file, int line);

sigjmp_buf memory_exit;

static uint64_t calls;
static uint64_t fails_at;
static bool has_failed;
static uint32_t pauses;

void memory_fail_at(uint64_t n)
{
    calls = 0;
    fails_at = n;
}

uint64_t memory_calls(void)
{
    return calls;
}

void memory_pause(bool is_paused)
{
    if (is_paused)
        pauses++;
    else
        pauses--;
}

bool memory_has_failed(void)
{
    return has_failed;
}

static bool is_refused(void)
{
    if (pauses > 0 || ++calls != fails_at)
        return false;
    has_failed = true;
    errno = ENOMEM;
    return true;
}

void *__wrap_malloc(size_t n)
{
    return is_refused() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return is_refused() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *at, size_t n)
{
    return is_refused() ? NULL : __real_realloc(at, n);
}

void *__wrap_aligned_alloc(size_t align, size_t n)
{
    return is_refused() ? NULL : __real_aligned_alloc(align, n);
}

char *__wrap_strdup(const char *text)
{
    return is_refused() ? NULL : __real_strdup(text);
}

char *__wrap_strndup(const char *text, size_t n)
{
    return is_refused() ? NULL : __real_strndup(text, n);
}

void *plain_malloc(size_t n)
{
    return __real_malloc(n);
}

void *plain_calloc(size_t n, size_t size)
{
    return __real_calloc(n, size);
}

void *plain_realloc(void *at, size_t n)
{
    return __real_realloc(at, n);
}

/* The process may end for want of memory, and must say so; any other assertion is a bug. */
void __wrap_sl_assert_failed(const char *expression, const char *file, int line)
{
    bool is_about_memory = strstr(expression, "!= NULL") != NULL ||
                           strcmp(expression, "err == SL_OK") == 0;

    if (fails_at != 0 && has_failed && is_about_memory)
        siglongjmp(memory_exit, 1);
    fprintf(stderr, "assertion failed: %s (%s:%d), allocation %llu\n", expression, file, line,
            (unsigned long long)fails_at);
    _exit(2);
}
