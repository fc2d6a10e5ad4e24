#include <stretto/plan.hpp>
