//! How much tasks may stream.

use clap::Args;

/// How much one task may stream.
#[derive(Clone, Debug, Args)]
pub struct StreamsConfig {
    /// Chunks that one task may stream
    #[arg(long, env = "TASK_CHUNKS", default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..), global = true)]
    pub task_chunks: u64,

    /// Bytes of chunks that one task may stream
    #[arg(long, env = "TASK_BYTES", default_value_t = 64 * 1024 * 1024, value_parser = clap::value_parser!(u64).range(1..), global = true)]
    pub task_bytes: u64,

    /// Chunks that one task may stream in a second, ten times as many at once; 0 for any number
    #[arg(long, env = "CHUNKS_PER_SEC", default_value_t = 1_000, global = true)]
    pub chunks_per_sec: u32,
}
