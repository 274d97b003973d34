// flags: -shared -fPIC -fno-builtin
// A library that has nothing to do with allocators and has functions that are called as some of theirs are: preloaded
// into harm_others.
#include <stdlib.h>

struct row {
    double weight;
    long at[3];
};

struct row tc_new(double weight, int at);
double tc_delete(const struct row *r, int a, int b, int c, int d, int e, int f, int g, double h);
void tc_free(struct row *r, double keep);
float mi_new(float a, float b);
long mi_free(long a, long b, long c, long d, long e, long f, long g, long h);
long double je_free(long double a);
int je_malloc(const char *what, int bytes);

struct row tc_new(double weight, int at)
{
    return (struct row){weight, {at, at + 1, at + 2}};
}

double tc_delete(const struct row *r, int a, int b, int c, int d, int e, int f, int g, double h)
{
    return r->weight + a + b + c + d + e + f + g + h;
}

void tc_free(struct row *r, double keep)
{
    r->weight *= keep;
}

float mi_new(float a, float b)
{
    return a / b;
}

long mi_free(long a, long b, long c, long d, long e, long f, long g, long h)
{
    return a - b + c - d + e - f + 10 * g - h;
}

long double je_free(long double a)
{
    return a * 2;
}

int je_malloc(const char *what, int bytes)
{
    return atoi(what) + bytes;
}
