"""The worker that sends: outbox, dispatcher, route selection, delivery receipts."""
