/* A driver whose cards and processes stand in the file that FAKE_CARDS names, read at each call: a first line "cards
   MB-of-each", then a line "card pid MB" for each process. Numbers are those of nvml.h. */
#include <stdio.h>
#include <stdlib.h>

enum { OK = 0, INVALID = 2, SMALL = 7, MOST = 64 };
enum { MEGA = 1 << 20 };

struct process { unsigned pid; unsigned long long memory; unsigned gpu_instance, compute_instance; };

static unsigned read_cards(unsigned *mega, int card, struct process *found, unsigned *count) {
    unsigned cards = 0, at, pid, size;
    FILE *file = fopen(getenv("FAKE_CARDS"), "r");
    *count = 0;
    if (!file) return 0;
    if (fscanf(file, "%u %u", &cards, mega) != 2) cards = 0;
    while (fscanf(file, "%u %u %u", &at, &pid, &size) == 3)
        if ((int)at == card && *count < MOST)
            found[(*count)++] = (struct process){pid, (unsigned long long)size * MEGA, ~0u, ~0u};
    fclose(file);
    return cards;
}

static int numbers[MOST];
static int number(void *card) { return *(int *)card; }

int nvmlInitWithFlags(unsigned flags) { return OK; }
int nvmlInit_v2(void) { return OK; }
int nvmlShutdown(void) { return OK; }
const char *nvmlErrorString(int code) { return "as the test wants it"; }

int nvmlDeviceGetCount_v2(unsigned *count) {
    struct process found[MOST];
    unsigned mega, processes;
    *count = read_cards(&mega, -1, found, &processes);
    return OK;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **card) {
    if (index >= MOST) return INVALID;
    numbers[index] = index;
    *card = &numbers[index];
    return OK;
}

int nvmlDeviceGetName(void *card, char *name, unsigned length) {
    snprintf(name, length, "Test Card %d", number(card));
    return OK;
}

int nvmlDeviceGetUUID(void *card, char *uuid, unsigned length) {
    snprintf(uuid, length, "GPU-test-%d", number(card));
    return OK;
}

struct memory_v2 { unsigned version; unsigned long long total, reserved, free, used; };

int nvmlDeviceGetMemoryInfo_v2(void *card, struct memory_v2 *memory) {
    struct process found[MOST];
    unsigned mega = 0, count;
    read_cards(&mega, number(card), found, &count);
    memory->total = (unsigned long long)mega * MEGA, memory->reserved = memory->used = 0;
    for (unsigned i = 0; i < count; i++) memory->used += found[i].memory;
    memory->free = memory->total - memory->used;
    return OK;
}

int nvmlDeviceGetComputeRunningProcesses_v3(void *card, unsigned *count, struct process *found) {
    struct process all[MOST];
    unsigned mega, there, room = *count;
    read_cards(&mega, number(card), all, &there);
    *count = there;
    if (there > room) return SMALL;
    for (unsigned i = 0; i < there; i++) found[i] = all[i];
    return OK;
}
