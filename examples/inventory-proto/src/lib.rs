//! Client, server and messages of the inventory service.

tonic::include_proto!("inventory");
