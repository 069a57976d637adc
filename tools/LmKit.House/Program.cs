using LmKit.House;

return args switch
{
    ["figures", .. var options] => FigureTable.Run(options),
    ["circles", .. var names] => Circles(names),
    ["hand", .. var options] => OneHand.Run(options),
    ["trip", var name] => Trip.Take(name),
    _ => Usage(),
};

static int Circles(string[] names)
{
    foreach (var package in Package.ReadAll().Where(package => names.Length == 0 || names.Contains(package.Name)))
    {
        var uses = TypeUses.In(package);
        foreach (var circle in FolderCircles.In(package, uses))
            Console.WriteLine($"{package.Name}: {string.Join(", ", circle)}\n  {string.Join("\n  ", FolderCircles.Describe(package, uses, circle))}");
    }
    return 0;
}

static int Usage()
{
    Console.WriteLine("""
        figures [--out FILE]        count what the plan of the house counts, and print the table beside the first figures and the goals
        figures --first DATE        the same, and keep these figures as the first ones
        circles [PACKAGE...]        the circles between folders, and the uses that make each of their arrows
        hand [--list]               what is not written in the one hand: braces, names of private fields, access of members
        hand --fix                  the same, after mending what can be mended safely; `dotnet build` and `dotnet format` come after it
        trip NAME                   what 'figures' runs in processes of its own: the types of a trip (prompt, prompt-h3, training)
        """);
    return 2;
}
