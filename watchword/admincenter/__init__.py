"""The admin center: pages for administrators and their help desk."""
