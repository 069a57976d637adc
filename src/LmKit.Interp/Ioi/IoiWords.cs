namespace LmKit;

/// <summary>Words and templates of IOI prompts; every name must be one token of the tokenizer in use.</summary>
/// <param name="Names">Names.</param>
/// <param name="Places">Places.</param>
/// <param name="Objects">Objects.</param>
/// <param name="Templates">Word lists of equal length with the slots A, B (introduced), C (the subject), PLACE and OBJECT.</param>
public sealed record IoiWords(IReadOnlyList<string> Names, IReadOnlyList<string> Places, IReadOnlyList<string> Objects, IReadOnlyList<string> Templates)
{
    /// <summary>Forty names, ten places, ten objects and three templates of eighteen words.</summary>
    public static IoiWords Small { get; } = new(
        [
            "Anna", "Ben", "Carl", "Dora", "Emma", "Finn", "Greta", "Hugo", "Iris", "Jack", "Kate", "Leon", "Mary", "Noah", "Olga", "Paul", "Rita", "Sam", "Tess", "Uma",
            "Vera", "Will", "Xena", "Yuri", "Zoe", "Adam", "Bella", "Clara", "David", "Eva", "Frank", "Gina", "Henry", "Ida", "John", "Karl", "Lena", "Max", "Nora", "Otto",
        ],
        ["park", "school", "shop", "station", "garden", "museum", "beach", "office", "market", "library"],
        ["book", "ring", "cake", "ball", "lamp", "drum", "key", "letter", "map", "rose"],
        [
            "Today , A and B walked for hours around the PLACE . Then C handed the OBJECT to",
            "Yesterday , A and B were in the PLACE all day . Later C sent the OBJECT to",
            "Once , A and B got lost near the old PLACE . Soon C lent a OBJECT to",
        ]);

    /// <summary>291 common first names, 78 places and 145 objects, for models with a vocabulary of their own: keep those
    /// names that are single tokens there (<see cref="WithNames"/>).</summary>
    public static IoiWords Large { get; } = new(
        [
            "Aaron", "Abby", "Adam", "Adrian", "Alan", "Albert", "Alex", "Alfred", "Alice", "Allen", "Amanda", "Amber", "Amy", "Andrea",
            "Andrew", "Angela", "Anita", "Ann", "Anna", "Anthony", "Arthur", "Ashley", "Barbara", "Barry", "Becky", "Ben", "Bernard",
            "Beth", "Betty", "Bill", "Bob", "Bonnie", "Brad", "Brandon", "Brenda", "Brian", "Bruce", "Bryan", "Calvin", "Carl", "Carla",
            "Carmen", "Carol", "Caroline", "Cathy", "Charles", "Charlie", "Charlotte", "Cheryl", "Chris", "Christine", "Cindy", "Claire",
            "Clara", "Clark", "Colin", "Connie", "Craig", "Crystal", "Curtis", "Cynthia", "Dale", "Dan", "Daniel", "Danny", "Darren",
            "Dave", "David", "Dawn", "Dean", "Debbie", "Deborah", "Dennis", "Derek", "Diana", "Diane", "Don", "Donald", "Donna", "Doris",
            "Dorothy", "Doug", "Duncan", "Dylan", "Earl", "Eddie", "Edgar", "Edith", "Edward", "Eileen", "Elaine", "Eleanor", "Elena",
            "Elizabeth", "Ellen", "Emily", "Emma", "Eric", "Erica", "Erin", "Ernest", "Ethan", "Eugene", "Eva", "Evelyn", "Felix",
            "Fiona", "Florence", "Frances", "Francis", "Frank", "Fred", "Gabriel", "Gary", "George", "Gerald", "Gina", "Glen", "Gloria",
            "Gordon", "Grace", "Graham", "Grant", "Greg", "Hannah", "Harold", "Harry", "Harvey", "Heather", "Helen", "Henry", "Herbert",
            "Holly", "Howard", "Hugh", "Ian", "Irene", "Isaac", "Jack", "Jacob", "James", "Jamie", "Jane", "Janet", "Jason", "Jay",
            "Jean", "Jeff", "Jennifer", "Jenny", "Jeremy", "Jerry", "Jesse", "Jessica", "Jill", "Jim", "Joan", "Joe", "Joel", "John",
            "Jonathan", "Joseph", "Joyce", "Juan", "Judith", "Julia", "Julian", "Julie", "Justin", "Karen", "Kate", "Keith", "Kelly",
            "Ken", "Kenneth", "Kevin", "Kim", "Kyle", "Lance", "Larry", "Laura", "Lauren", "Lawrence", "Leo", "Leon", "Leslie", "Lewis",
            "Linda", "Lisa", "Lloyd", "Louis", "Louise", "Lucas", "Lucy", "Luke", "Lynn", "Marcus", "Margaret", "Maria", "Marie",
            "Mario", "Mark", "Martha", "Martin", "Mary", "Matthew", "Maurice", "Max", "Megan", "Melissa", "Michael", "Michelle", "Mike",
            "Miles", "Miriam", "Molly", "Nancy", "Naomi", "Nathan", "Neil", "Nicholas", "Nick", "Nicole", "Nigel", "Nina", "Norman",
            "Olivia", "Oscar", "Owen", "Pamela", "Patricia", "Patrick", "Paul", "Paula", "Peter", "Philip", "Rachel", "Ralph", "Raymond",
            "Rebecca", "Richard", "Rick", "Rita", "Robert", "Robin", "Roger", "Ronald", "Rosa", "Ross", "Roy", "Russell", "Ruth", "Ryan",
            "Sally", "Samantha", "Samuel", "Sandra", "Sarah", "Scott", "Sean", "Sharon", "Shirley", "Simon", "Sophie", "Stella",
            "Stephen", "Steve", "Stuart", "Susan", "Sylvia", "Teresa", "Terry", "Theodore", "Thomas", "Tim", "Todd", "Tony", "Tracy",
            "Trevor", "Valerie", "Vanessa", "Vernon", "Victor", "Vincent", "Virginia", "Walter", "Warren", "Wayne", "Wendy", "William",
            "Zachary",
        ],
        [
            "airport", "aquarium", "archive", "arena", "bakery", "bank", "barn", "beach", "bookstore", "bridge", "cabin", "cafe", "camp",
            "canal", "castle", "cathedral", "chapel", "church", "cinema", "circus", "clinic", "club", "college", "court", "dock",
            "embassy", "factory", "farm", "festival", "field", "forest", "gallery", "garage", "garden", "gym", "harbor", "hospital",
            "hostel", "hotel", "house", "island", "kitchen", "laboratory", "lake", "library", "lighthouse", "lodge", "mall", "market",
            "meadow", "mill", "mine", "monastery", "museum", "office", "orchard", "palace", "park", "pharmacy", "pier", "port", "quarry",
            "restaurant", "school", "shop", "stadium", "station", "store", "studio", "temple", "theater", "tower", "university",
            "valley", "village", "warehouse", "workshop", "zoo",
        ],
        [
            "apple", "bag", "ball", "banana", "basket", "bell", "belt", "blanket", "book", "bottle", "bowl", "box", "bracelet", "bread",
            "brush", "bucket", "button", "cake", "camera", "candle", "cap", "card", "carpet", "chain", "chair", "cheese", "clock",
            "coat", "coffee", "coin", "comb", "computer", "cookie", "cup", "dress", "drill", "drink", "drum", "envelope", "feather",
            "flag", "flower", "flute", "folder", "fork", "glass", "glove", "guitar", "hammer", "hat", "helmet", "jacket", "jar", "jewel",
            "key", "kite", "knife", "ladder", "lamp", "lantern", "leaf", "lemon", "letter", "lock", "magazine", "map", "mask", "medal",
            "melon", "mirror", "mug", "nail", "necklace", "needle", "newspaper", "notebook", "orange", "paddle", "painting", "paper",
            "pear", "pen", "pencil", "photo", "pie", "pillow", "pin", "pipe", "plant", "plate", "pot", "present", "puppet", "purse",
            "radio", "rake", "ribbon", "ring", "robe", "rope", "rose", "rug", "ruler", "scarf", "shell", "shield", "shirt", "shoe",
            "snack", "sock", "spoon", "stamp", "stone", "stool", "sweater", "sword", "table", "tape", "telescope", "ticket", "tie",
            "towel", "toy", "tray", "trophy", "umbrella", "vase", "violin", "wallet", "watch", "whistle", "wig", "wire",
            "bike", "bone", "broom", "canoe", "compass", "dice", "doll", "drawing", "fan", "harp", "hook", "jug",
        ],
        Small.Templates);

    /// <summary>The same words with only those names that a vocabulary has as single tokens.</summary>
    /// <param name="isSingleToken">Tells for a word with the space before it, as it stands in a sentence.</param>
    public IoiWords WithNames(Func<string, bool> isSingleToken)
    {
        ArgumentNullException.ThrowIfNull(isSingleToken);
        return this with { Names = [.. Names.Where(name => isSingleToken(" " + name))] };
    }
}
