"""What a refresh costs beside a full recompute, and beside what others refresh."""
