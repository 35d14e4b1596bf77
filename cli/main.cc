#include "base/filesystem.h"
#include "cli/app.h"

int main(int argc, char** argv) { return ingot::run_ingot(argc, argv, ingot::real_filesystem()); }
