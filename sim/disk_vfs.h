#pragma once
// SQLite's file system over a Disk, with the locks and the shared memory that its write-ahead log
// asks for. One disk at a time is mounted.

namespace drover::sim {

class Disk;

void mount(Disk& disk);
void unmount();

}  // namespace drover::sim
