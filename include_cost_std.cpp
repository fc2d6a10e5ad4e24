#include <thread>
#include <string>
#include <vector>
#include <atomic>
#include <memory>
#include <chrono>
