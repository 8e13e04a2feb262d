"""What a stack costs on Google Cloud in a month: from its resources and Google's list prices, before there is a bill.

Two numbers: with as few nodes as the pools have at least, and with as many as the autoscaler may make. What has no
price that could be read is named as not priced, and what is paid by use has a price and no sum: nothing is guessed.
"""
