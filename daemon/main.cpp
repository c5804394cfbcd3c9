#include <cstdio>

int main() { std::puts("spanferry " SPANFERRY_VERSION); }
