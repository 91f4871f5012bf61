/* Two network namespaces, joined by a line that takes its time.
 *
 * Each namespace has a tun device of 1,500 bytes; this program carries packets from one to the
 * other and keeps each for half the round trip. Nothing is lost, and no bandwidth is set. Segments
 * come and go in bundles of up to 64 KB, as they do between a driver and a network card (TSO and
 * GRO), so that hundreds of MB/s pass.
 *
 * It says "ready FAR NEAR": ids of processes in the namespaces of the servers (10.77.0.1) and of
 * the clients (10.77.0.2). It then reads round trips in microseconds, a line each, and confirms
 * each with "ok". It ends with its standard input.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

enum { PACKET = 10 + 65535, ROOM = 96 << 20, AT_ONCE = 64 };

struct packet { uint64_t due; uint32_t length; uint32_t next; unsigned char data[]; };
struct queue { unsigned char *ring; size_t head, tail, used; };

static uint64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void must(int ok, const char *what) {
    if (!ok) { fprintf(stderr, "%s: %s\n", what, strerror(errno)); exit(1); }
}

static void put(const char *path, const char *text) {
    int f = open(path, O_WRONLY);
    int done = f >= 0 && write(f, text, strlen(text)) == (ssize_t)strlen(text);
    if (!done) fprintf(stderr, "%s: %s\n", path, strerror(errno));
    if (f >= 0) close(f);
}

/* What Linux has by default, whatever this machine is set to. */
static void defaults(void) {
    put("/proc/sys/net/ipv4/tcp_rmem", "4096 131072 6291456");
    put("/proc/sys/net/ipv4/tcp_wmem", "4096 16384 4194304");
}

static void up(int s, const char *name) {
    struct ifreq r = {0};
    strncpy(r.ifr_name, name, IFNAMSIZ - 1);
    must(ioctl(s, SIOCGIFFLAGS, &r) == 0, "flags");
    r.ifr_flags |= IFF_UP | IFF_RUNNING;
    must(ioctl(s, SIOCSIFFLAGS, &r) == 0, "up");
}

static void number(int s, unsigned long what, const char *address) {
    struct ifreq r = {0};
    struct sockaddr_in a = {.sin_family = AF_INET};
    strcpy(r.ifr_name, "tun0");
    inet_pton(AF_INET, address, &a.sin_addr);
    memcpy(&r.ifr_addr, &a, sizeof a);
    must(ioctl(s, what, &r) == 0, "address");
}

/* A tun device in this namespace. */
static int device(const char *address) {
    struct ifreq r = {0};
    int f = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    must(f >= 0, "/dev/net/tun");
    r.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR;
    strcpy(r.ifr_name, "tun0");
    must(ioctl(f, TUNSETIFF, &r) == 0, "tun");
    must(ioctl(f, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6) == 0, "offload");
    int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    r.ifr_qlen = 10000;
    must(ioctl(s, SIOCSIFTXQLEN, &r) == 0, "queue");
    number(s, SIOCSIFADDR, address);
    number(s, SIOCSIFNETMASK, "255.255.255.0");
    up(s, "lo");
    up(s, "tun0");
    close(s);
    return f;
}

/* Namespaces need the right to make them: root's, or that of a user namespace of one's own. */
static void alone(void) {
    char map[64];
    unsigned uid = getuid(), gid = getgid();
    if (unshare(CLONE_NEWNET) == 0) return;
    must(unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0, "unshare");
    put("/proc/self/setgroups", "deny");
    snprintf(map, sizeof map, "%u %u 1", uid, uid);
    put("/proc/self/uid_map", map);
    snprintf(map, sizeof map, "%u %u 1", gid, gid);
    put("/proc/self/gid_map", map);
}

/* Packets that came are kept with the time at which they are due. */
static void take(struct queue *q, int f, uint64_t due) {
    for (int i = 0; i < AT_ONCE; i++) {
        size_t most = sizeof(struct packet) + PACKET + 8;
        if (q->used + 2 * most > ROOM) return;
        if (q->tail + most > ROOM) {
            if (q->head == q->tail) q->head = 0; /* empty */
            else ((struct packet *)(q->ring + q->tail))->next = 1, q->used += ROOM - q->tail;
            q->tail = 0;
        }
        struct packet *p = (struct packet *)(q->ring + q->tail);
        ssize_t n = read(f, p->data, PACKET);
        if (n <= 0) return;
        size_t size = (sizeof *p + (size_t)n + 7) & ~(size_t)7;
        p->due = due, p->length = (uint32_t)n, p->next = 0;
        q->tail += size, q->used += size;
        ((struct packet *)(q->ring + q->tail))->next = 0;
    }
}

/* What is due goes out; returns when the next one is, 0 where there is none. */
static uint64_t give(struct queue *q, int f, uint64_t time) {
    while (q->used) {
        struct packet *p = (struct packet *)(q->ring + q->head);
        if (p->next) { q->used -= ROOM - q->head, q->head = 0; continue; }
        if (p->due > time) return p->due;
        if (write(f, p->data, p->length) < 0 && errno == EAGAIN) return time;
        size_t size = (sizeof *p + p->length + 7) & ~(size_t)7;
        q->head += size, q->used -= size;
    }
    return 0;
}

int main(void) {
    struct queue queues[2] = {0};
    int tuns[2];
    uint64_t delay = 0;
    prctl(PR_SET_TIMERSLACK, 1000);
    signal(SIGPIPE, SIG_IGN);
    alone();
    tuns[0] = device("10.77.0.1");
    defaults();
    pid_t far = fork();
    must(far >= 0, "fork");
    if (far == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(0), close(1), close(2);
        for (;;) pause();
    }
    must(unshare(CLONE_NEWNET) == 0, "unshare");
    tuns[1] = device("10.77.0.2");
    defaults();
    for (int i = 0; i < 2; i++) {
        queues[i].ring = mmap(NULL, ROOM + sizeof(struct packet), PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
        must(queues[i].ring != MAP_FAILED, "mmap");
    }
    printf("ready %d %d\n", far, getpid());
    fflush(stdout);
    for (;;) {
        uint64_t time = now(), next = 0, due;
        for (int i = 0; i < 2; i++) take(&queues[i], tuns[i], time + delay);
        time = now();
        for (int i = 0; i < 2; i++)
            if ((due = give(&queues[i], tuns[1 - i], time)) && (!next || due < next)) next = due;
        struct pollfd fds[3] = {{tuns[0], POLLIN, 0}, {tuns[1], POLLIN, 0}, {0, POLLIN, 0}};
        time = now();
        uint64_t wait = next > time ? next - time : 0;
        struct timespec t = {(time_t)(wait / 1000000000u), (long)(wait % 1000000000u)};
        if (ppoll(fds, 3, next ? &t : NULL, NULL) < 0 && errno != EINTR) must(0, "poll");
        if (fds[2].revents) {
            char line[64];
            ssize_t n = read(0, line, sizeof line - 1);
            if (n <= 0) break;
            line[n] = 0;
            delay = strtoull(line, NULL, 10) * 1000 / 2;
            printf("ok\n");
            fflush(stdout);
        }
    }
    kill(far, SIGKILL);
    return 0;
}
