"""The names of the sample organisation's people, from many places."""
# ruff: noqa: RUF001, SIM905  (letters of real names; a list of words reads best as words)

GIVEN = (
    "Amina Anders Aoife Ayşe Björn Carmen Chiara Dmitri Eleni Emeka Fatima Freya Giulia Hana Hiroshi Ingrid Ivana "
    "Jamal Jorge Kateryna Kofi Laila Lars Leilani Linh Malik Marek Mei Milena Nadia Ngozi Niamh Olena Omar Paola "
    "Pavel Priya Rafael Rania Ravi Renée Sakura Samira Sanjay Sigrid Søren Tariq Thảo Tomás Uma Viktor Wanjiru "
    "Xiomara Yael Yusuf Zofia Zoë Álvaro Émile Øystein"
).split()
FAMILY = (
    "Abadi Adeyemi Andersson Bauer Bianchi Brandt Castillo Chaudhary Costa Dubois Eriksen Farouk Ferreira García "
    "Grigoryan Haddad Hansen Horváth Ibrahim Ishikawa Jansen Kaminski Kang Kaya Khalil Kowalczyk Kumar Larsen Lefèvre "
    "Lindqvist MacLeod Mahlangu Marković Mbeki Moreau Müller Nakamura Nguyễn Novák Nowak Okafor Olsen Papadopoulos "
    "Petrova Pham Quispe Ricci Romero Rossi Sato Schäfer Silva Sørensen Takahashi Tanaka Tremblay Vargas Vogel Wójcik "
    "Yamada Yılmaz Zhang"
).split()
