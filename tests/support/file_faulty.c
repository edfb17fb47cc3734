#include "tests/support/file_faulty.h"

#include "core/base/assert.h"

#include <pthread.h>
#include <stdlib.h>

#define SECTOR_BYTES 512u
#define NAMES_MAX 1024u
#define NAME_ROOM 64u

struct content {
    uint8_t *at;
    uint64_t len;
    uint64_t room;
};

struct change { /* bytes at a place, or a length */
    struct change *next;
    uint64_t at;
    uint64_t len;
    enum { CHANGE_WRITE, CHANGE_GROW, CHANGE_CUT } kind;
    uint8_t bytes[];
};

struct inode {
    struct inode *next; /* of all that were ever made; they end with the disk */
    struct content seen;
    struct content medium;
    struct change *first;
    struct change *last;
};

struct entry {
    char name[NAME_ROOM];
    struct inode *inode;
};

struct directory {
    struct entry entries[NAMES_MAX];
    size_t count;
};

struct naming { /* a change of the directory: name is inode's now, or nobody's; so is gone */
    struct naming *next;
    char name[NAME_ROOM];
    char gone[NAME_ROOM];
    struct inode *inode;
};

struct fault {
    uint64_t countdown;
    enum sl_err err;
    enum sl_err always;
};

struct faulty_disk {
    pthread_mutex_t lock;
    struct inode *inodes;
    struct directory seen;
    struct directory medium;
    struct naming *first;
    struct naming *last;
    struct fault faults[FAULTY_OPS + 1];
    uint64_t calls[FAULTY_OPS + 1];
    uint64_t power_countdown;
    bool is_off;
    bool is_paused;
    bool is_clean_looking;
    void (*before)(void *context, enum faulty_op op);
    void *context;
    uint64_t dice;
    uint64_t free_bytes;
    uint64_t total_bytes;
};

struct sl_file {
    struct faulty_disk *disk;
    struct inode *inode;
};

enum reach { REACH_NOTHING, REACH_PARTLY, REACH_ALL }; /* how far a call gets */

static enum sl_err disk_open(void *self, const char *name, bool create, struct sl_file **out);
static void disk_close(struct sl_file *file);
static enum sl_err disk_write_at(struct sl_file *file, uint64_t at, const struct iovec *iov, int n);
static enum sl_err disk_read_at(struct sl_file *file, uint64_t at, void *into, size_t len,
                                size_t *got);
static enum sl_err disk_sync(struct sl_file *file);
static enum sl_err disk_allocate(struct sl_file *file, uint64_t len);
static enum sl_err disk_truncate(struct sl_file *file, uint64_t len);
static enum sl_err disk_size(struct sl_file *file, uint64_t *len);
static enum sl_err disk_remove(void *self, const char *name);
static enum sl_err disk_rename(void *self, const char *from, const char *to);
static enum sl_err disk_sync_dir(void *self);
static enum sl_err disk_list(void *self, void (*found)(void *context, const char *name),
                             void *context);
static enum sl_err disk_room(void *self, uint64_t *free_bytes, uint64_t *total_bytes);
static enum sl_err begin(struct faulty_disk *disk, enum faulty_op op, bool changes,
                         enum reach *reach);
static enum sl_err faulted(struct fault *fault);
static void end(struct faulty_disk *disk);
static void change_size(struct inode *inode, int kind, uint64_t len);
static void note_change(struct inode *inode, struct change *change);
static struct change *change_new(int kind, uint64_t at, uint64_t len);
static void drop_changes(struct inode *inode);
static void apply(struct content *content, const struct change *change);
static void apply_some(struct faulty_disk *disk, struct content *content,
                       const struct change *change);
static void content_resize(struct content *content, uint64_t len);
static void content_copy(struct content *to, const struct content *from);
static struct inode *inode_new(struct faulty_disk *disk);
static struct inode *find(const struct directory *dir, const char *name);
static void set_entry(struct directory *dir, const char *name, struct inode *inode);
static void note_naming(struct faulty_disk *disk, const char *name, struct inode *inode,
                        const char *gone);
static void apply_naming(struct directory *dir, const struct naming *naming);
static void drop_namings(struct faulty_disk *disk);
static uint64_t roll_dice(struct faulty_disk *disk, uint64_t sides);

struct faulty_disk *faulty_disk_new(void)
{
    struct faulty_disk *disk = calloc(1, sizeof *disk);

    SL_ASSERT(disk != NULL && pthread_mutex_init(&disk->lock, NULL) == 0);
    faulty_disk_set_room(disk, 1ull << 40, 1ull << 40);
    return disk;
}

void faulty_disk_free(struct faulty_disk *disk)
{
    drop_namings(disk);
    for (struct inode *inode; (inode = disk->inodes) != NULL;) {
        disk->inodes = inode->next;
        drop_changes(inode);
        free(inode->seen.at);
        free(inode->medium.at);
        free(inode);
    }
    pthread_mutex_destroy(&disk->lock);
    free(disk);
}

struct sl_file_ops faulty_disk_ops(struct faulty_disk *disk)
{
    return (struct sl_file_ops){
        .open = disk_open,
        .close = disk_close,
        .write_at = disk_write_at,
        .read_at = disk_read_at,
        .sync = disk_sync,
        .allocate = disk_allocate,
        .truncate = disk_truncate,
        .size = disk_size,
        .remove = disk_remove,
        .rename = disk_rename,
        .sync_dir = disk_sync_dir,
        .list = disk_list,
        .room = disk_room,
        .self = disk,
    };
}

void faulty_disk_fail(struct faulty_disk *disk, enum faulty_op op, uint64_t n, enum sl_err err)
{
    pthread_mutex_lock(&disk->lock);
    disk->faults[op].countdown = n;
    disk->faults[op].err = err;
    pthread_mutex_unlock(&disk->lock);
}

void faulty_disk_fail_always(struct faulty_disk *disk, enum faulty_op op, enum sl_err err)
{
    pthread_mutex_lock(&disk->lock);
    disk->faults[op].always = err;
    pthread_mutex_unlock(&disk->lock);
}

void faulty_disk_set_clean_looking(struct faulty_disk *disk, bool is_clean_looking)
{
    disk->is_clean_looking = is_clean_looking;
}

void faulty_disk_power_off_at(struct faulty_disk *disk, uint64_t n)
{
    pthread_mutex_lock(&disk->lock);
    disk->power_countdown = n;
    pthread_mutex_unlock(&disk->lock);
}

void faulty_disk_power_off(struct faulty_disk *disk)
{
    pthread_mutex_lock(&disk->lock);
    disk->is_off = true;
    pthread_mutex_unlock(&disk->lock);
}

void faulty_disk_pause(struct faulty_disk *disk, bool is_paused)
{
    pthread_mutex_lock(&disk->lock);
    disk->is_paused = is_paused;
    pthread_mutex_unlock(&disk->lock);
}

bool faulty_disk_is_off(struct faulty_disk *disk)
{
    pthread_mutex_lock(&disk->lock);
    bool is_off = disk->is_off;
    pthread_mutex_unlock(&disk->lock);
    return is_off;
}

void faulty_disk_crash(struct faulty_disk *disk, uint64_t seed)
{
    disk->dice = seed * 0x9e3779b97f4a7c15u + 1;
    for (struct inode *inode = disk->inodes; inode != NULL; inode = inode->next) {
        for (struct change *change = inode->first; change != NULL; change = change->next)
            apply_some(disk, &inode->medium, change);
        drop_changes(inode);
        content_copy(&inode->seen, &inode->medium);
    }
    for (struct naming *naming = disk->first; naming != NULL; naming = naming->next)
        if (roll_dice(disk, 2) == 0)
            apply_naming(&disk->medium, naming);
    drop_namings(disk);
    disk->seen = disk->medium;
    memset(disk->faults, 0, sizeof disk->faults);
    disk->power_countdown = 0;
    disk->is_off = false;
}

void faulty_disk_set_room(struct faulty_disk *disk, uint64_t free_bytes, uint64_t total_bytes)
{
    pthread_mutex_lock(&disk->lock);
    disk->free_bytes = free_bytes;
    disk->total_bytes = total_bytes;
    pthread_mutex_unlock(&disk->lock);
}

uint64_t faulty_disk_calls(struct faulty_disk *disk, enum faulty_op op)
{
    pthread_mutex_lock(&disk->lock);
    uint64_t calls = disk->calls[op];
    pthread_mutex_unlock(&disk->lock);
    return calls;
}

void faulty_disk_set_hook(struct faulty_disk *disk,
                          void (*before)(void *context, enum faulty_op op), void *context)
{
    disk->before = before;
    disk->context = context;
}

struct sl_bytes faulty_disk_get(struct faulty_disk *disk, const char *name)
{
    const struct inode *inode = find(&disk->seen, name);

    return inode == NULL ? (struct sl_bytes){NULL, 0}
                         : (struct sl_bytes){inode->seen.at, inode->seen.len};
}

void faulty_disk_put(struct faulty_disk *disk, const char *name, struct sl_bytes bytes)
{
    struct inode *inode = inode_new(disk);

    content_resize(&inode->seen, bytes.len);
    if (bytes.len != 0)
        memcpy(inode->seen.at, bytes.at, bytes.len);
    content_copy(&inode->medium, &inode->seen);
    set_entry(&disk->seen, name, inode);
    set_entry(&disk->medium, name, inode);
}

void faulty_disk_drop(struct faulty_disk *disk, const char *name)
{
    set_entry(&disk->seen, name, NULL);
    set_entry(&disk->medium, name, NULL);
}

static enum sl_err disk_open(void *self, const char *name, bool create, struct sl_file **out)
{
    struct faulty_disk *disk = self;
    enum reach reach;
    enum sl_err err = begin(disk, FAULTY_OPEN, create, &reach);
    struct inode *inode = find(&disk->seen, name);

    if (reach != REACH_NOTHING && create && inode == NULL) {
        inode = inode_new(disk);
        note_naming(disk, name, inode, "");
    } else if (err == SL_OK && (create || inode == NULL)) {
        err = create ? SL_EIO : SL_ENOENT;
    }
    if (err == SL_OK) {
        *out = malloc(sizeof **out);
        SL_ASSERT(*out != NULL);
        **out = (struct sl_file){disk, inode};
    }
    end(disk);
    return err;
}

static void disk_close(struct sl_file *file)
{
    free(file);
}

static enum sl_err disk_write_at(struct sl_file *file, uint64_t at, const struct iovec *iov, int n)
{
    struct faulty_disk *disk = file->disk;
    enum reach reach;
    enum sl_err err = begin(disk, FAULTY_WRITE, true, &reach);
    uint64_t len = 0;

    for (int i = 0; i < n; i++)
        len += iov[i].iov_len;
    struct change *change = change_new(CHANGE_WRITE, at, len);
    for (uint64_t done = 0; n > 0; done += iov->iov_len, iov++, n--)
        if (iov->iov_len != 0)
            memcpy(change->bytes + done, iov->iov_base, iov->iov_len);
    if (reach == REACH_PARTLY)
        change->len = roll_dice(disk, len + 1);
    if (reach == REACH_NOTHING)
        free(change);
    else
        note_change(file->inode, change);
    end(disk);
    return err;
}

static enum sl_err disk_read_at(struct sl_file *file, uint64_t at, void *into, size_t len,
                                size_t *got)
{
    enum reach reach;
    enum sl_err err = begin(file->disk, FAULTY_READ, false, &reach);
    const struct content *seen = &file->inode->seen;

    *got = 0;
    if (err == SL_OK && at < seen->len) {
        *got = seen->len - at < len ? (size_t)(seen->len - at) : len;
        if (*got != 0)
            memcpy(into, seen->at + at, *got);
    }
    end(file->disk);
    return err;
}

static enum sl_err disk_sync(struct sl_file *file)
{
    struct faulty_disk *disk = file->disk;
    struct inode *inode = file->inode;
    enum reach reach;
    enum sl_err err = begin(disk, FAULTY_SYNC, true, &reach);

    if (reach == REACH_ALL)
        for (const struct change *change = inode->first; change != NULL; change = change->next)
            apply(&inode->medium, change);
    if (reach == REACH_ALL || (err != SL_OK && disk->is_clean_looking && !disk->is_off))
        drop_changes(inode);
    end(disk);
    return err;
}

static enum sl_err disk_allocate(struct sl_file *file, uint64_t len)
{
    enum reach reach;
    enum sl_err err = begin(file->disk, FAULTY_ALLOCATE, true, &reach);

    if (reach != REACH_NOTHING && len > file->inode->seen.len)
        change_size(file->inode, CHANGE_GROW, len);
    end(file->disk);
    return err;
}

static enum sl_err disk_truncate(struct sl_file *file, uint64_t len)
{
    enum reach reach;
    enum sl_err err = begin(file->disk, FAULTY_TRUNCATE, true, &reach);

    if (reach != REACH_NOTHING)
        change_size(file->inode, len > file->inode->seen.len ? CHANGE_GROW : CHANGE_CUT, len);
    end(file->disk);
    return err;
}

static enum sl_err disk_size(struct sl_file *file, uint64_t *len)
{
    enum reach reach;
    enum sl_err err = begin(file->disk, FAULTY_SIZE, false, &reach);

    *len = file->inode->seen.len;
    end(file->disk);
    return err;
}

static enum sl_err disk_remove(void *self, const char *name)
{
    struct faulty_disk *disk = self;
    enum reach reach;
    enum sl_err err = begin(disk, FAULTY_REMOVE, true, &reach);

    if (err == SL_OK && find(&disk->seen, name) == NULL)
        err = SL_ENOENT;
    else if (reach != REACH_NOTHING)
        note_naming(disk, "", NULL, name);
    end(disk);
    return err;
}

static enum sl_err disk_rename(void *self, const char *from, const char *to)
{
    struct faulty_disk *disk = self;
    enum reach reach;
    enum sl_err err = begin(disk, FAULTY_RENAME, true, &reach);
    struct inode *inode = find(&disk->seen, from);

    if (err == SL_OK && inode == NULL)
        err = SL_ENOENT;
    else if (reach != REACH_NOTHING && inode != NULL)
        note_naming(disk, to, inode, from);
    end(disk);
    return err;
}

static enum sl_err disk_sync_dir(void *self)
{
    struct faulty_disk *disk = self;
    enum reach reach;
    enum sl_err err = begin(disk, FAULTY_SYNC_DIR, true, &reach);

    if (reach == REACH_ALL) {
        disk->medium = disk->seen;
        drop_namings(disk);
    }
    end(disk);
    return err;
}

static enum sl_err disk_list(void *self, void (*found)(void *context, const char *name),
                             void *context)
{
    struct faulty_disk *disk = self;
    enum reach reach;
    enum sl_err err = begin(disk, FAULTY_LIST, false, &reach);

    struct directory *seen = malloc(sizeof *seen); /* found may end the test: not under the lock */
    SL_ASSERT(seen != NULL);
    *seen = disk->seen;
    end(disk);
    for (size_t i = 0; i < seen->count && err == SL_OK; i++)
        found(context, seen->entries[i].name);
    free(seen);
    return err;
}

static enum sl_err disk_room(void *self, uint64_t *free_bytes, uint64_t *total_bytes)
{
    struct faulty_disk *disk = self;
    enum reach reach;
    enum sl_err err = begin(disk, FAULTY_ROOM, false, &reach);

    *free_bytes = disk->free_bytes;
    *total_bytes = disk->total_bytes;
    end(disk);
    return err;
}

/* Takes the lock, to be given back with end, and says what the call is to return and to do. */
static enum sl_err begin(struct faulty_disk *disk, enum faulty_op op, bool changes,
                         enum reach *reach)
{
    if (disk->before != NULL)
        disk->before(disk->context, op);
    pthread_mutex_lock(&disk->lock);
    *reach = REACH_ALL;
    if (disk->is_paused)
        return SL_OK;
    disk->calls[op]++;
    disk->calls[FAULTY_ANY] += changes;
    *reach = REACH_NOTHING;
    if (disk->is_off)
        return SL_EIO;
    if (changes && disk->power_countdown != 0 && --disk->power_countdown == 0) {
        disk->is_off = true;
        *reach = REACH_PARTLY;
        return SL_EIO;
    }
    enum sl_err err = faulted(&disk->faults[op]);
    if (err == SL_OK)
        err = faulted(&disk->faults[FAULTY_ANY]);
    if (err == SL_OK)
        *reach = REACH_ALL;
    else if (op == FAULTY_WRITE)
        *reach = REACH_PARTLY;
    return err;
}

static enum sl_err faulted(struct fault *fault)
{
    if (fault->countdown != 0 && --fault->countdown == 0)
        return fault->err;
    return fault->always;
}

static void end(struct faulty_disk *disk)
{
    pthread_mutex_unlock(&disk->lock);
}

static void change_size(struct inode *inode, int kind, uint64_t len)
{
    struct change *change = change_new(kind, 0, 0);

    change->len = len;
    note_change(inode, change);
}

/* Takes the change: seen at once, on the medium with the next sync. */
static void note_change(struct inode *inode, struct change *change)
{
    apply(&inode->seen, change);
    if (inode->first == NULL)
        inode->first = change;
    else
        inode->last->next = change;
    inode->last = change;
}

static struct change *change_new(int kind, uint64_t at, uint64_t len)
{
    struct change *change = calloc(1, sizeof *change + len);

    SL_ASSERT(change != NULL);
    change->kind = kind;
    change->at = at;
    change->len = len;
    return change;
}

static void drop_changes(struct inode *inode)
{
    for (struct change *change; (change = inode->first) != NULL;) {
        inode->first = change->next;
        free(change);
    }
    inode->last = NULL;
}

static void apply(struct content *content, const struct change *change)
{
    uint64_t to = change->kind == CHANGE_WRITE ? change->at + change->len : change->len;

    if (change->kind == CHANGE_CUT || to > content->len)
        content_resize(content, to);
    if (change->kind == CHANGE_WRITE && change->len != 0)
        memcpy(content->at + change->at, change->bytes, change->len);
}

/* All of it, nothing, or sector by sector as the dice fall; in one sector, now and then, only its
 * front or its back. */
static void apply_some(struct faulty_disk *disk, struct content *content,
                       const struct change *change)
{
    uint64_t fate = roll_dice(disk, 4);

    if (fate == 0 || (change->kind != CHANGE_WRITE && fate == 1))
        return;
    if (fate == 1 || change->kind != CHANGE_WRITE) {
        apply(content, change);
        return;
    }
    for (uint64_t from = change->at, to; from < change->at + change->len; from = to) {
        to = (from / SECTOR_BYTES + 1) * SECTOR_BYTES;
        if (to > change->at + change->len)
            to = change->at + change->len;
        if (roll_dice(disk, 2) == 0)
            continue;
        uint64_t first = from;
        uint64_t last = to;
        switch (roll_dice(disk, 8)) {
        case 0: first += roll_dice(disk, to - from); break;
        case 1: last = from + 1 + roll_dice(disk, to - from); break;
        default: break;
        }
        if (last > content->len)
            content_resize(content, last);
        memcpy(content->at + first, change->bytes + (first - change->at), last - first);
    }
}

/* What is new is zero. */
static void content_resize(struct content *content, uint64_t len)
{
    if (len > content->room) {
        content->room = len > content->room * 2 ? len : content->room * 2;
        content->at = realloc(content->at, content->room);
        SL_ASSERT(content->at != NULL);
    }
    if (len > content->len)
        memset(content->at + content->len, 0, len - content->len);
    content->len = len;
}

static void content_copy(struct content *to, const struct content *from)
{
    content_resize(to, from->len);
    if (from->len != 0)
        memcpy(to->at, from->at, from->len);
}

static struct inode *inode_new(struct faulty_disk *disk)
{
    struct inode *inode = calloc(1, sizeof *inode);

    SL_ASSERT(inode != NULL);
    inode->next = disk->inodes;
    disk->inodes = inode;
    return inode;
}

static struct inode *find(const struct directory *dir, const char *name)
{
    for (size_t i = 0; i < dir->count; i++)
        if (strcmp(dir->entries[i].name, name) == 0)
            return dir->entries[i].inode;
    return NULL;
}

/* inode NULL: the name goes. */
static void set_entry(struct directory *dir, const char *name, struct inode *inode)
{
    size_t i = 0;

    while (i < dir->count && strcmp(dir->entries[i].name, name) != 0)
        i++;
    if (inode == NULL) {
        if (i < dir->count)
            dir->entries[i] = dir->entries[--dir->count];
        return;
    }
    SL_ASSERT(i < NAMES_MAX && strlen(name) < NAME_ROOM);
    if (i == dir->count)
        dir->count++;
    strcpy(dir->entries[i].name, name);
    dir->entries[i].inode = inode;
}

static void note_naming(struct faulty_disk *disk, const char *name, struct inode *inode,
                        const char *gone)
{
    struct naming *naming = calloc(1, sizeof *naming);

    SL_ASSERT(naming != NULL && strlen(name) < NAME_ROOM && strlen(gone) < NAME_ROOM);
    strcpy(naming->name, name);
    strcpy(naming->gone, gone);
    naming->inode = inode;
    apply_naming(&disk->seen, naming);
    if (disk->first == NULL)
        disk->first = naming;
    else
        disk->last->next = naming;
    disk->last = naming;
}

static void apply_naming(struct directory *dir, const struct naming *naming)
{
    if (naming->gone[0] != '\0')
        set_entry(dir, naming->gone, NULL);
    if (naming->name[0] != '\0')
        set_entry(dir, naming->name, naming->inode);
}

static void drop_namings(struct faulty_disk *disk)
{
    for (struct naming *naming; (naming = disk->first) != NULL;) {
        disk->first = naming->next;
        free(naming);
    }
    disk->last = NULL;
}

/* splitmix64 */
static uint64_t roll_dice(struct faulty_disk *disk, uint64_t sides)
{
    uint64_t z = disk->dice += 0x9e3779b97f4a7c15u;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (z ^ z >> 31) % sides;
}
