// Small types that all parts of a profile are made of. Part of profile.h, which says who owns what.
#ifndef SEEP_PROFILE_TYPES_H
#define SEEP_PROFILE_TYPES_H

#define PROFILE_AUTO (-1.0) // durations and sizes: the program chooses

// Where something stands in a file, for messages: "ours.yaml:12:5".
struct profile_where {
    const char *file; // the profile's own copy; "-o" for overrides, "(default)" for defaults
    int line, column; // from 1; 0 when there is no file
};

struct profile_pair {
    char *key, *value;
};

#endif
