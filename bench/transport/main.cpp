// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Messages to and fro between two processes: through a channel of the transport, and by MPI_Send and MPI_Recv alone, in the
// same processes and in turns. A third way is MPI alone with the 24 bytes more that say which message it is.
//
//     mpirun -n 2 build/bench/bench_transport [--quick] [--rounds 25]
// Prints for each size the time of one way (the median of the rounds), GB/s, and the median of the rounds' ratios: of times
// where messages are short, of bandwidths where they are long.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <vector>

#include <stretto/stage/wire.hpp>
#include <stretto/transport/mpi.hpp>

namespace {

using namespace stretto;

double median(std::vector<double> all) {
  std::sort(all.begin(), all.end());
  return all[all.size() / 2];
}

void quiet(text& t) { t.add("a message of the benchmark"); }

/// One way of a message, in seconds.
double raw(int me, unsigned char* out, unsigned char* in, std::int64_t bytes, int times) {
  const int count = static_cast<int>(bytes), other = 1 - me;
  MPI_Barrier(MPI_COMM_WORLD);
  const double begun = MPI_Wtime();
  for (int i = 0; i < times; ++i) {
    if (me == 0) MPI_Send(out, count, MPI_BYTE, other, 0, MPI_COMM_WORLD);
    MPI_Recv(in, count, MPI_BYTE, other, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    if (me == 1) MPI_Send(out, count, MPI_BYTE, other, 0, MPI_COMM_WORLD);
  }
  return (MPI_Wtime() - begun) / times / 2;
}

/// An object of fixed size in memory of its own.
struct block {
  std::vector<unsigned char> bytes;
};

class ball {
 public:
  ball(mpi& t, std::int64_t bytes) : t_(t), like_{std::vector<unsigned char>(static_cast<std::size_t>(bytes))} {
    channel_shape s;
    s.boxes = 1, s.objects = 2, s.maker = &like_;
    s.make = [](const void* p) -> void* { return new block(*static_cast<const block*>(p)); };
    s.drop = [](void* p) { delete static_cast<block*>(p); };
    s.bytes = [](const void* p) { return static_cast<std::int64_t>(static_cast<const block*>(p)->bytes.size()); };
    s.cross = [](void* p, crossing& w) {
      auto& all = static_cast<block*>(p)->bytes;
      w.run(all.data(), static_cast<std::int64_t>(all.size()));
    };
    for (int r = 0; r < 2; ++r) {
      s.from = r, s.to = 1 - r;
      channels_[r] = t.open(s);
    }
  }
  ~ball() {
    for (mpi::channel* c : channels_) t_.close(c);
  }

  double one_way(int times) {
    const int me = t_.rank();
    mpi::channel &mine = *channels_[me], &theirs = *channels_[1 - me];
    MPI_Barrier(MPI_COMM_WORLD);
    const double begun = MPI_Wtime();
    for (int i = 0; i < times; ++i, ++step_) {
      if (me == 0) t_.put(mine, {step_, mine.number(), 0}, t_.fresh(mine, quiet), quiet);
      const message_id id{step_, theirs.number(), 0};
      const parcel p = t_.take(theirs, id, quiet);
      if (!(p.id == id)) std::abort();
      t_.give_back(theirs, p.object);
      if (me == 1) t_.put(mine, {step_, mine.number(), 0}, t_.fresh(mine, quiet), quiet);
    }
    return (MPI_Wtime() - begun) / times / 2;
  }

 private:
  mpi& t_;
  block like_;
  mpi::channel* channels_[2] = {};
  std::int64_t step_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  int rounds = 25;
  bool quick = false;
  for (int i = 1; i < argc; ++i) {
    const std::string_view a = argv[i];
    if (a == "--quick") quick = true, rounds = 3;
    else if (a == "--rounds" && i + 1 < argc) rounds = std::atoi(argv[++i]);
    else return std::fprintf(stderr, "stretto: bench_transport takes --quick and --rounds N, and is given '%s'\n", argv[i]), 2;
  }
  if (rounds < 1) return std::fprintf(stderr, "stretto: bench_transport measures at least one round; give --rounds 1 or more\n"), 2;
  mpi t({.deadline = 60});
  const int me = t.rank();
  t.enter(me);
  if (t.ranks() != 2) return std::fprintf(stderr, "stretto: bench_transport measures two ranks and runs on %d; start it by mpirun -n 2\n", t.ranks()), 2;
  if (me == 0) {
    char library[MPI_MAX_LIBRARY_VERSION_STRING] = {};
    int length = 0;
    MPI_Get_library_version(library, &length);
    const std::string_view words(library);
    std::printf("%.*s; medians of %d rounds in turns\n", static_cast<int>(std::min(words.find_first_of(",\n"), words.size())), library, rounds);
    std::printf("%10s %12s %14s %12s %10s %10s %10s\n", "bytes", "MPI", "MPI + 24 B", "stretto", "GB/s MPI", "stretto", "ratio");
  }
  for (const std::int64_t bytes : {8, 64, 512, 2048, 4096, 32768, 262144, 2097152, 16777216, 67108864}) {
    if (quick && bytes > 1 << 20) break;
    std::vector<unsigned char> out(static_cast<std::size_t>(bytes) + 24), in(out.size());
    ball b(t, bytes);
    const int times = static_cast<int>(std::clamp<std::int64_t>((quick ? std::int64_t{1} << 22 : std::int64_t{1} << 28) / (bytes + 10000), 2, quick ? 200 : 20000));
    std::vector<double> alone, wider, ours, ratios;
    raw(me, out.data(), in.data(), bytes, times / 2 + 1), b.one_way(times / 2 + 1);
    for (int i = 0; i < rounds; ++i) {
      alone.push_back(raw(me, out.data(), in.data(), bytes, times));
      ours.push_back(b.one_way(times));
      wider.push_back(raw(me, out.data(), in.data(), bytes + 24, times));
      ratios.push_back(bytes < 65536 ? ours.back() / alone.back() : alone.back() / ours.back());
    }
    const double a = median(alone), o = median(ours), n = static_cast<double>(bytes);
    if (me == 0) std::printf("%10lld %9.0f ns %11.0f ns %9.0f ns %10.2f %10.2f %7.3f of %s\n", static_cast<long long>(bytes), a * 1e9, median(wider) * 1e9, o * 1e9, n / a * 1e-9, n / o * 1e-9, median(ratios), bytes < 65536 ? "time" : "bandwidth");
  }
  t.leave(me);
}
