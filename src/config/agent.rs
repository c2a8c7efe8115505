//! What an operator can set about who answers prompts.

use std::time::Duration;

use clap::{Args, ValueEnum, value_parser};

use super::seconds;

/// Who answers prompts, and what they may take (docs/agents.md).
#[derive(Clone, Debug, Args)]
pub struct AgentConfig {
    // Not global: `roost key create` has another `--agent`.
    /// Who answers prompts: `echo`, built in, says back what it is told; `command` runs a program of yours
    #[arg(long, env = "AGENT", value_enum, default_value_t = Agent::Echo)]
    pub agent: Agent,

    /// With `command`, what is run for each prompt, by `sh -c`
    #[arg(long, env = "AGENT_COMMAND", hide_env_values = true, global = true)]
    pub agent_command: Option<String>,

    /// What the command reads: `text`, the prompt; `lines`, JSON lines with the prompt, then decisions on its questions
    #[arg(long, env = "AGENT_INPUT", value_enum, default_value_t = AgentInput::Text, global = true)]
    pub agent_input: AgentInput,

    /// Seconds that the command may take for a prompt
    #[arg(long, env = "AGENT_SECS", default_value = "3600", value_parser = seconds, global = true)]
    pub agent_secs: Duration,

    /// Commands that run at a time; more wait
    #[arg(long, env = "AGENT_RUNS", default_value_t = 64, value_parser = value_parser!(u32).range(1..), global = true)]
    pub agent_runs: u32,

    /// Bytes that the command may print for a prompt
    #[arg(long, env = "AGENT_OUTPUT", default_value_t = 64 * 1024 * 1024, value_parser = value_parser!(u64).range(1024..), global = true)]
    pub agent_output: u64,

    /// Seconds that a plan waits for approval before its run has failed
    #[arg(long, env = "APPROVAL_SECS", default_value = "300", value_parser = seconds, global = true)]
    pub approval_secs: Duration,
}

/// Who answers prompts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Agent {
    /// The built-in one.
    Echo,
    /// A child process for each prompt.
    Command,
}

/// What an agent's command reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum AgentInput {
    /// The prompt.
    Text,
    /// JSON lines.
    Lines,
}
