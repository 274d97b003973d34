module zoo_go

go 1.19
