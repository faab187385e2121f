#pragma once
// What the attacker can try, by subject. Each prints its lines and returns the exit code.
#include <string>
#include <vector>

namespace drover::attacker {

using Arguments = std::vector<std::string>;  // behind the name of the attack

int forbidden_calls(Arguments const& arguments);  // only as pid 1: some would change a host
int harmless_calls(Arguments const& arguments);   // for root of the host too
int attack_init(Arguments const& arguments);      // pid 1, from a child of it
int ids(Arguments const& arguments);
int descriptors(Arguments const& arguments);
int hide(Arguments const& arguments);  // in grandchildren that ignore every signal

int sockets(Arguments const& arguments);       // ABSTRACT_NAME LOOPBACK_PORT
int connect_path(Arguments const& arguments);  // PATH
int reach(Arguments const& arguments);         // addresses of the outside

int open_to_read(Arguments const& arguments);   // PATH…
int open_to_write(Arguments const& arguments);  // PATH…, without truncating or writing
int search_proc(Arguments const& arguments);    // WORD in what is told of any process
int link_from(Arguments const& arguments);      // SOURCE TARGET
int special_files(Arguments const& arguments);  // FOLDER
int setuid_files(Arguments const& arguments);   // FOLDER
int swap_link(Arguments const& arguments);      // PATH TARGET, until it is killed

int eat_memory(Arguments const& arguments);   // anonymous|memfd|FILE, MIB
int fork_many(Arguments const& arguments);    // COUNT [stay]
int fill_file(Arguments const& arguments);    // FILE MIB
int fill_inodes(Arguments const& arguments);  // FOLDER COUNT
int sparse_file(Arguments const& arguments);  // FILE MIB
int spin(Arguments const& arguments);         // MILLISECONDS

}  // namespace drover::attacker
