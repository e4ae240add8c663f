"""What is consumed and obeyed, on the embedded broker and on RabbitMQ, stepped by hand."""
