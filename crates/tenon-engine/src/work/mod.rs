//! Deployments, schedules, tasks, runs, actions.
