// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Build:        g++ -std=c++20 -Iinclude examples/05_read_csv.cpp -o read_csv
// Prints:       the verdict on a program in CSV, as other tools write it, under each link model; the sentence and the
//               cycle of its deadlock; the same order lowered here; and what a text with a slip in it is answered.
// Change next:  put 1RECV_F1 before 1B0 in the text, or read a file of your own.
#include <cstdio>
#include <string>
#include <string_view>

#include <stretto/stretto.hpp>

// One row a rank, one cell an entry. Rank 0 sends micro-batch 1 before it asks for the gradient of micro-batch 0, and
// rank 1 sends that gradient before it asks for micro-batch 1.
constexpr std::string_view source =
    "0F0,0SEND_F0,0F1,0SEND_F1,0RECV_B0,0B0,0RECV_B1,0B1\n"
    "1RECV_F0,1F0,1B0,1SEND_B0,1RECV_F1,1F1,1B1,1SEND_B1\n";

int main() {
  const stretto::plan p = stretto::make_plan(stretto::from_csv(source));
  std::printf("%d ranks, %d micro-batches, %s\n\n", p.ranks, p.micro_batches, p.lowered ? "a program" : "an order");

  struct named {
    const char* name;
    stretto::link_model model;
  };
  const named models[] = {{"buffered", stretto::links::buffered},      {"bounded<0>", stretto::links::bounded<0>},
                          {"bounded<1>", stretto::links::bounded<1>},  {"per_edge", stretto::links::per_edge},
                          {"grouped", stretto::links::grouped},        {"rendezvous", stretto::links::rendezvous},
                          {"single_fifo", stretto::links::single_fifo}};
  for (const named& m : models)
    std::printf("%-12s %s\n", m.name, stretto::check(p, m.model).ok() ? "fine" : "deadlock");

  // Where the verdict is a deadlock, it holds the shortest cycle of waits, in numbers and in words.
  const stretto::verdict v = stretto::check(p, stretto::links::rendezvous);
  std::printf("\n%s\n", v.words.c_str());
  for (const stretto::wait& w : v.cycle)
    std::printf("  rank %d, step %d, waits for rank %d\n", w.rank, w.step, w.on_rank);

  // The order alone, without its messages, is fine; lower places messages so that every model takes them.
  stretto::draft order = stretto::from_csv(source);
  for (auto& list : order.order_of) std::erase_if(list, [](const stretto::action& a) { return a.is_message(); });
  const stretto::program q = stretto::lower(stretto::make_plan(order));
  std::printf("\n%s", stretto::to_csv(q).c_str());
  std::printf("rendezvous   %s\n", stretto::check(q, stretto::links::rendezvous).ok() ? "fine" : "deadlock");

  // Reading is strict: what isn't in the grammar is answered with its place, never skipped.
  const stretto::csv_result slip = stretto::read_csv("0F0,0B0\n1F0,1X0\n");
  std::printf("\n%s\n", slip.words.c_str());
}
