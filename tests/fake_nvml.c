/* A driver's library as far as the tests ask it: two cards, of which the second knows little. The file that FAKE_NVML
   names is read at each call: "lost" takes card 0 off the bus, "old" is a driver without nvmlDeviceGetMemoryInfo_v2,
   "unloaded" has no driver behind the library any more. Numbers are those of nvml.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OK = 0, UNINITIALIZED = 1, INVALID = 2, NOT_SUPPORTED = 3, SMALL = 7, NOT_FOUND = 13, LOST = 15 };
enum { MEGA = 1 << 20 };

static int is(const char *word) {
    char text[32] = "";
    FILE *file = fopen(getenv("FAKE_NVML"), "r");
    if (file) {
        if (!fgets(text, sizeof text, file)) text[0] = 0;
        fclose(file);
    }
    return strcmp(text, word) == 0;
}

static int cards[2] = {0, 1};
static int number(void *card) { return *(int *)card; }
static int answer(void *card, int known_by_second) {
    if (is("lost") && number(card) == 0) return LOST;
    return number(card) == 0 || known_by_second ? OK : NOT_SUPPORTED;
}

int nvmlInitWithFlags(unsigned flags) { return OK; }
int nvmlInit_v2(void) { return OK; }
int nvmlShutdown(void) { return OK; }
const char *nvmlErrorString(int code) { return "as the test wants it"; }

int nvmlDeviceGetCount_v2(unsigned *count) {
    *count = 2;
    return is("unloaded") ? UNINITIALIZED : OK;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **card) {
    if (index > 1) return INVALID;
    *card = &cards[index];
    return OK;
}

int nvmlDeviceGetName(void *card, char *name, unsigned length) {
    snprintf(name, length, "Test Card %d", number(card));
    return answer(card, 1);
}

int nvmlDeviceGetUtilizationRates(void *card, unsigned *gpu_and_memory) {
    gpu_and_memory[0] = 87, gpu_and_memory[1] = 12;
    return answer(card, 0);
}

int nvmlDeviceGetMemoryInfo(void *card, unsigned long long *total_free_used) {
    total_free_used[0] = 8126ULL * MEGA, total_free_used[1] = 0, total_free_used[2] = 2285ULL * MEGA;
    return answer(card, 1);
}

struct memory_v2 { unsigned version; unsigned long long total, reserved, free, used; };

int nvmlDeviceGetMemoryInfo_v2(void *card, struct memory_v2 *memory) {
    if (is("old")) return NOT_FOUND;
    memory->total = 8126ULL * MEGA, memory->reserved = 300ULL * MEGA, memory->used = 1985ULL * MEGA;
    return answer(card, 1);
}

int nvmlDeviceGetTemperature(void *card, int sensor, unsigned *celsius) {
    *celsius = 61;
    return answer(card, 1);
}

int nvmlDeviceGetPowerUsage(void *card, unsigned *milliwatts) {
    *milliwatts = 151500;
    return answer(card, 0);
}

int nvmlDeviceGetEnforcedPowerLimit(void *card, unsigned *milliwatts) {
    *milliwatts = 220000;
    return answer(card, 0);
}

struct process { unsigned pid; unsigned long long memory; unsigned gpu_instance, compute_instance; };

int nvmlDeviceGetComputeRunningProcesses_v3(void *card, unsigned *count, struct process *found) {
    int code = answer(card, 1);
    if (code != OK) return code;
    if (*count < 2) {
        *count = 2;
        return SMALL;
    }
    *count = 2;
    found[0] = (struct process){42, 100ULL * MEGA, ~0u, ~0u};
    found[1] = (struct process){43, ~0ULL, ~0u, ~0u};
    return OK;
}
