using LmKit.House;

return args switch
{
    ["figures", .. var options] => FigureTable.Run(options),
    ["trip", var name] => Trip.Take(name),
    _ => Usage(),
};

static int Usage()
{
    Console.WriteLine("""
        figures [--out FILE]        count what the plan of the house counts, and print the table beside the first figures and the goals
        figures --first DATE        the same, and keep these figures as the first ones
        trip NAME                   what 'figures' runs in processes of its own: the types of a trip (prompt, prompt-h3, training)
        """);
    return 2;
}
