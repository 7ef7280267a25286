from f2b_worker.cli import main

main()
