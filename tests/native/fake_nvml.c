/* A driver's library as far as the tests ask it: two cards, of which the second knows little. The file that FAKE_NVML
   names is read at each call. Its first line is a word: "lost" takes card 0 off the bus, "gone" leaves one card, "grown"
   brings a third, "old" is a driver of years ago, "unloaded" has no driver behind the library any more, "errors" fails
   every question about a card, "hot" slows card 0 down, "mig" divides it into two instances. Further lines move the
   gauges: "busy CARD PERCENT" and "process CARD PID MB" (without any, there are two that nobody has). Numbers are those
   of nvml.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OK = 0, UNINITIALIZED = 1, INVALID = 2, NOT_SUPPORTED = 3, NOT_THERE = 6, SMALL = 7, NOT_FOUND = 13, LOST = 15,
       UNKNOWN = 999 };
enum { MEGA = 1 << 20, MOST = 16, UNSAID = -1 };

struct process { unsigned pid; unsigned long long memory; unsigned gpu_instance, compute_instance; };
struct state { char word[32]; int busy[3]; struct process processes[3][MOST]; unsigned count[3]; int scripted; };

static struct state look(void) {
    struct state now = {.busy = {UNSAID, UNSAID, UNSAID}};
    char line[128];
    unsigned card, pid, size;
    FILE *file = fopen(getenv("FAKE_NVML"), "r");
    if (!file) return now;
    if (fgets(line, sizeof line, file)) sscanf(line, "%31s", now.word);
    while (fgets(line, sizeof line, file)) {
        if (sscanf(line, "busy %u %u", &card, &size) == 2 && card < 3) now.busy[card] = size;
        if (sscanf(line, "process %u %u %u", &card, &pid, &size) == 3 && card < 3 && now.count[card] < MOST) {
            now.scripted = 1;
            now.processes[card][now.count[card]++] = (struct process){pid, (unsigned long long)size * MEGA, ~0u, ~0u};
        }
    }
    fclose(file);
    return now;
}

static int is(const char *word) { return strcmp(look().word, word) == 0; }

/* Cards 0 to 2, and the instances of the first as 10 and 11. */
static int numbers[12] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
static int number(void *card) { return *(int *)card; }
static int instance(void *card) { return number(card) >= 10; }
static int answer(void *card, int known_by_second) {
    if (is("lost") && number(card) == 0) return LOST;
    if (is("errors")) return UNKNOWN;
    return number(card) == 0 || known_by_second ? OK : NOT_SUPPORTED;
}

int nvmlInitWithFlags(unsigned flags) { return is("unloaded") ? 9 : OK; }
int nvmlInit_v2(void) { return nvmlInitWithFlags(0); }
int nvmlShutdown(void) { return OK; }
const char *nvmlErrorString(int code) { return "as the test wants it"; }

int nvmlDeviceGetCount_v2(unsigned *count) {
    *count = is("gone") ? 1 : is("grown") ? 3 : 2;
    return is("unloaded") ? UNINITIALIZED : OK;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **card) {
    if (index > 2) return INVALID;
    *card = &numbers[index];
    return OK;
}

int nvmlDeviceGetName(void *card, char *name, unsigned length) {
    if (instance(card)) snprintf(name, length, "Test Card 0 MIG 1g.4gb");
    else snprintf(name, length, "Test Card %d", number(card));
    return answer(card, 1);
}

int nvmlDeviceGetUtilizationRates(void *card, unsigned *gpu_and_memory) {
    int busy = number(card) < 3 ? look().busy[number(card)] : UNSAID;
    gpu_and_memory[0] = busy == UNSAID ? 87 : busy, gpu_and_memory[1] = 12;
    return is("mig") ? NOT_SUPPORTED : answer(card, 0);
}

int nvmlDeviceGetMemoryInfo(void *card, unsigned long long *total_free_used) {
    total_free_used[0] = 8126ULL * MEGA, total_free_used[1] = 0, total_free_used[2] = 2285ULL * MEGA;
    return answer(card, 1);
}

struct memory_v2 { unsigned version; unsigned long long total, reserved, free, used; };

int nvmlDeviceGetMemoryInfo_v2(void *card, struct memory_v2 *memory) {
    if (is("old")) return NOT_FOUND;
    memory->total = 8126ULL * MEGA, memory->reserved = 300ULL * MEGA, memory->used = 1985ULL * MEGA;
    if (instance(card)) memory->total = 4063ULL * MEGA, memory->used = number(card) * 100ULL * MEGA;
    return answer(card, 1);
}

int nvmlDeviceGetTemperature(void *card, int sensor, unsigned *celsius) {
    *celsius = is("hot") ? 93 : 61;
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

int nvmlDeviceGetClockInfo(void *card, int which, unsigned *megahertz) {
    *megahertz = which == 2 ? 7001 : is("hot") ? 900 : 1725;
    return answer(card, 0);
}

int nvmlDeviceGetMaxClockInfo(void *card, int which, unsigned *megahertz) {
    *megahertz = which == 2 ? 7001 : 2100;
    return answer(card, 0);
}

int nvmlDeviceGetCurrentClocksEventReasons(void *card, unsigned long long *bits) {
    if (is("old")) return NOT_FOUND;
    *bits = is("hot") ? 0x60 : 0x1;
    return answer(card, 0);
}

int nvmlDeviceGetCurrentClocksThrottleReasons(void *card, unsigned long long *bits) {
    *bits = 0x4;
    return answer(card, 0);
}

int nvmlDeviceGetCurrPcieLinkGeneration(void *card, unsigned *generation) {
    *generation = 4;
    return answer(card, 0);
}

int nvmlDeviceGetCurrPcieLinkWidth(void *card, unsigned *lanes) {
    *lanes = 16;
    return answer(card, 0);
}

int nvmlDeviceGetPcieThroughput(void *card, int way, unsigned *kilobytes) {
    *kilobytes = way == 1 ? 2048 : 1024;
    return answer(card, 0);
}

int nvmlDeviceGetTotalEccErrors(void *card, int type, int counter, unsigned long long *errors) {
    *errors = type == 1 ? 3 : 99;
    return answer(card, 0);
}

int nvmlDeviceGetMigMode(void *card, unsigned *now, unsigned *next) {
    *now = *next = is("mig") && number(card) == 0;
    return answer(card, 0);
}

int nvmlDeviceGetMaxMigDeviceCount(void *card, unsigned *count) {
    *count = 7;
    return answer(card, 0);
}

int nvmlDeviceGetMigDeviceHandleByIndex(void *card, unsigned index, void **found) {
    if (index != 0 && index != 2) return NOT_THERE; /* the others were never made */
    *found = &numbers[index ? 11 : 10];
    return answer(card, 0);
}

static int processes(struct process *all, unsigned there, unsigned *count, struct process *found) {
    unsigned room = *count;
    *count = there;
    if (there > room) return SMALL;
    memcpy(found, all, there * sizeof *all);
    return OK;
}

int nvmlDeviceGetComputeRunningProcesses_v3(void *card, unsigned *count, struct process *found) {
    struct state now = look();
    int code = answer(card, 1);
    struct process two[2] = {{42, 100ULL * MEGA, ~0u, ~0u}, {43, ~0ULL, ~0u, ~0u}};
    if (instance(card)) code = is("mig") ? OK : NOT_SUPPORTED;
    else if (is("mig") && number(card) == 0) code = 4; /* no permission to look at all instances */
    if (code != OK) return code;
    if (instance(card)) return processes(two, 1, count, found);
    if (now.scripted) return processes(now.processes[number(card)], now.count[number(card)], count, found);
    return processes(two, 2, count, found);
}
