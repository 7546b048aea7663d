/* process.c -- runs other programs: argv lists (never a shell), several at once, what they say kept
 * in unnamed files. */
#define _GNU_SOURCE
#include "build.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

typedef struct Running { /* a job that has a process */
    Job *job;
    pid_t process; /* 0: free */
    FILE *capture; /* NULL: nothing is captured */
} Running;

int core_count(void)
{
    cpu_set_t set;
    int count = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    return count > 0 ? count : 1;
}

/* The signals that would end this program: an ignored one (nohup) is none of them. */
static void stop_signals(sigset_t *set)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    sigemptyset(set);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        struct sigaction action;
        if (sigaction(numbers[i], NULL, &action) == 0 && action.sa_handler != SIG_IGN)
            sigaddset(set, numbers[i]);
    }
}

void signals_hold(void)
{
    sigset_t set;
    stop_signals(&set);
    sigprocmask(SIG_BLOCK, &set, NULL);
}

void signals_release(void)
{
    sigset_t set;
    stop_signals(&set);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static bool signal_waits(void)
{
    sigset_t ours, pending;
    stop_signals(&ours);
    sigpending(&pending);
    sigandset(&pending, &pending, &ours);
    return !sigisemptyset(&pending);
}

void signals_obey(void)
{
    if (signal_waits()) {
        temporaries_remove();
        signals_release();
    }
}

/* 0, or the reason why it did not start. The child has the signals that we hold back. */
static int spawn_job(Running *run)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none;
    const Job *job = run->job;
    if (job->capture != CAPTURE_NONE && (run->capture = tmpfile()) == NULL)
        return errno;
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    sigemptyset(&none);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    if (run->capture != NULL)
        posix_spawn_file_actions_adddup2(&actions, fileno(run->capture), STDOUT_FILENO);
    if (job->capture == CAPTURE_ALL)
        posix_spawn_file_actions_adddup2(&actions, fileno(run->capture), STDERR_FILENO);
    if (job->folder != NULL)
        posix_spawn_file_actions_addchdir_np(&actions, job->folder);
    int error = posix_spawn(&run->process, job->argv[0], &actions, &attributes,
                            (char *const *)job->argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return error;
}

static void start_job(Running *run, Job *job)
{
    *run = (Running){job, 0, NULL};
    job->error = spawn_job(run);
    job->status = -1;
    if (job->error != 0) {
        run->process = 0;
        if (run->capture != NULL)
            fclose(run->capture);
    }
}

static void take_output(Job *job, FILE *capture)
{
    long length;
    if (fseek(capture, 0, SEEK_END) == 0 && (length = ftell(capture)) >= 0) {
        rewind(capture);
        job->output.data = arena_alloc((size_t)length + 1);
        job->output.length = fread(job->output.data, 1, (size_t)length, capture);
        job->output.data[job->output.length] = '\0';
    }
    fclose(capture);
}

/* Waits until one of the processes ends and frees its place. */
static Running *wait_for_one(Running *running, int places)
{
    int status;
    pid_t process;
    do
        process = waitpid(-1, &status, 0);
    while (process < 0 && errno == EINTR);
    for (int i = 0; i < places; i++) {
        Running *run = &running[i];
        if (run->process == 0 || run->process != process)
            continue;
        run->process = 0;
        run->job->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        if (run->capture != NULL)
            take_output(run->job, run->capture);
        return run;
    }
    internal_error("a process that was not started here has ended");
}

static Running *free_place(Running *running, int places)
{
    for (int i = 0; i < places; i++)
        if (running[i].process == 0)
            return &running[i];
    return NULL;
}

bool jobs_run(Job *jobs, int count)
{
    enum { MAX_PLACES = 64 };
    Running running[MAX_PLACES] = {{NULL, 0, NULL}};
    int places = core_count() < MAX_PLACES ? core_count() : MAX_PLACES;
    int started = 0, active = 0;
    bool good = true;
    for (int i = 0; i < count; i++)
        jobs[i].status = -1;
    while (active > 0 || (good && started < count)) {
        good = good && !signal_waits();
        if (good && started < count && active < places) {
            start_job(free_place(running, places), &jobs[started]);
            if (jobs[started++].error == 0)
                active++;
            else
                good = false;
        } else if (active > 0) {
            good = wait_for_one(running, places)->job->status == 0 && good;
            active--;
        }
    }
    return good;
}
