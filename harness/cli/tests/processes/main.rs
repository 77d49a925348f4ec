//! The `verdikt` binary as its users meet it: real processes, their exit codes, stdout and stderr.

#![expect(clippy::unwrap_used, reason = "a test that cannot build its input has failed")]

mod api_server;
mod bad_command;
mod bad_input;
mod book;
mod boundary;
mod check;
mod ci;
mod cluster;
mod cluster_failures;
mod documents;
mod endings;
mod engine;
mod engines_of_cilium;
mod explain;
mod foreign_clients;
mod growth;
mod init;
mod install;
mod interception;
mod kind_settings;
mod lab;
mod lab_of_manifests;
mod labs_of_others;
mod limits;
mod logging;
mod obstacles;
mod outputs;
mod outside;
mod playground;
mod project;
mod questions;
mod reading;
mod replay;
mod repositories;
mod run;
mod scenarios_as_tests;
mod settings;
mod shared_cluster;
mod stand_ins;
mod strangers_text;
mod update;
mod update_property;
