#include <stretto/stretto.hpp>
