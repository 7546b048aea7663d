/* child.h -- what a function that may end the program printed to stderr, and its exit status. */
#ifndef GAGAC_TEST_CHILD_H
#define GAGAC_TEST_CHILD_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct Outcome {
    int status; /* of exit(); -1: ended by a signal */
    char text[4096];
} Outcome;

/* Runs body(context) in a child process; a body that returns counts as status 0. */
static inline Outcome run_child(void (*body)(const void *context), const void *context)
{
    Outcome outcome = {.status = -1};
    FILE *file = tmpfile();
    fflush(NULL);
    pid_t child = file != NULL ? fork() : -1;
    if (child == 0) {
        dup2(fileno(file), STDERR_FILENO);
        body(context);
        exit(0);
    }
    int status = 0;
    if (child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status)) {
        outcome.status = WEXITSTATUS(status);
        rewind(file);
        outcome.text[fread(outcome.text, 1, sizeof outcome.text - 1, file)] = '\0';
    }
    if (file != NULL) {
        fclose(file);
    }
    return outcome;
}

#endif
