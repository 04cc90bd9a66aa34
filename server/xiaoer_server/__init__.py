"""Xiaoer, the server: live chat, streamed answers, one durable log per conversation."""
