"""The Celery worker: its application, its threads, its hints, and the settings that it refuses."""
